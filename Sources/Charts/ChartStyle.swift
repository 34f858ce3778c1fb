/// The rules that charts are drawn by: colours for a light and a dark ground, lines, text, figures.
public enum ChartStyle {
  /// The rules for a page of so many subjects.
  public static func css(subjects: Int) -> String {
    """
    :root{color-scheme:light dark;\(variables(light: true))}
    @media (prefers-color-scheme:dark){:root{\(variables(light: false))}}
    @media print{:root{color-scheme:light;\(variables(light: true))--ground:#fff}}
    \(SeriesStyle.rules(count: max(1, subjects)))
    \(SeriesStyle.focusRules(count: subjects))
    \(ColourRamp.rules)
    \(page)
    \(marks)
    """
  }

  /// The rules for a picture of so many subjects in a file of its own.
  static func picture(subjects: Int) -> String {
    """
    :root{\(variables(light: true))}
    @media (prefers-color-scheme:dark){:root{\(variables(light: false))}}
    \(SeriesStyle.rules(count: max(1, subjects)))
    \(marks)
    svg.chart .sheet{fill:var(--ground)}
    svg.chart .title{fill:var(--ink);font-size:13px;font-weight:600}
    """
  }

  private static func variables(light: Bool) -> String {
    let ground =
      light
      ? "--ground:#fcfcfa;--ink:#1c2024;--quiet:#595f69;--rule:#d9dad5;--faint:#ebebe6;"
      : "--ground:#16181b;--ink:#e8e9ea;--quiet:#a2a8b0;--rule:#3d4249;--faint:#272b30;"
    return ground + SeriesStyle.variables(light ? SeriesStyle.light : SeriesStyle.dark)
      + ColourRamp.variables(light ? ColourRamp.light : ColourRamp.dark)
  }

  /// Figures on a page: what stands around the pictures.
  private static let page = String(decoding: PackageResources.figures_css, as: UTF8.self)

  /// The pictures themselves.
  private static let marks = String(decoding: PackageResources.marks_css, as: UTF8.self)
}
