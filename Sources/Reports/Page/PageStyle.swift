import Charts

/// The page's rules and script beyond those of its charts.
enum PageStyle {
  /// All rules for a page of so many runs.
  static func css(runs: Int) -> String {
    let hiding = (0..<runs).map { index in
      "body:has(#run-\(index):not(:checked)) .r\(index):not(.chip){display:none}"
    }.joined(separator: "\n")
    return ChartStyle.css(subjects: runs)
      + String(decoding: PackageResources.page_css, as: UTF8.self) + hiding
  }

  /// The page's own script.
  static let script = String(decoding: PackageResources.page_js, as: UTF8.self)
}
