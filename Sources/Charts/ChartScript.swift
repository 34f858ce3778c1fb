/// The script of pages with charts: reads values off charts by pointer, touch and keyboard, and draws
/// curves when the view changes.
///
/// `view` events on the document change what holds for all charts over steps: `axis` (`step` or one of
/// the chains in the element `view-data`), `smooth` (0 to below 1) and `grouped`. Without the script the
/// page says the same by legends, titles and tables.
public enum ChartScript {
  /// The text of the `script` element.
  public static let source = String(decoding: PackageResources.charts_js, as: UTF8.self)
}
