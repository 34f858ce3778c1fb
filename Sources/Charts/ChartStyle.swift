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

/// How a subject is drawn throughout a page: one colour and one dash pattern.
public struct SeriesStyle: Sendable, Hashable {
  /// The subject's number, from 0.
  public let index: Int
  /// Which of several curves of one subject, from 0; nil where a subject has one curve a chart.
  public let variant: Int?
  /// Whether it is one of many that stand behind the others: thin, pale and without a name.
  public let isFaint: Bool

  /// The style of a subject, or of one of its curves.
  public init(_ index: Int, variant: Int? = nil, isFaint: Bool = false) {
    self.index = index
    self.variant = variant
    self.isFaint = isFaint
  }

  /// The classes that give an element colour and dashes.
  public var classes: String {
    (variant.map { "r\(index) v\($0 % Self.dashes.count)" } ?? "r\(index)")
      + (isFaint ? " faint" : "")
  }

  /// Colours on a light ground, after Okabe and Ito's for the colour-blind; all are darkened or
  /// turned until they have 4.5 to 1 against the page, so that text can wear them too.
  static let light = [
    "#0069a8", "#b84a00", "#00785a", "#a8458a", "#8a6100", "#3b3b3b", "#6a3fc0", "#6b6b00",
    "#c0263a", "#006d7d",
  ]
  /// The same on a dark ground.
  static let dark = [
    "#56a9ea", "#f08a4b", "#35c79c", "#e29cc6", "#e6a817", "#d8d8d8", "#b9a5ff", "#d9cf4a",
    "#ff8f8f", "#4fd1e0",
  ]
  /// Dash patterns; the first is a whole line.
  static let dashes = ["none", "7 3", "2 2.5", "9 3 2 3", "4 2", "10 2 2 2 2 2"]

  /// The rules that give so many subjects their colours: one pair of colour and dashes each.
  static func rules(count: Int) -> String {
    let colours = light.count
    var lines = (0..<count).map { index in
      let dash = dashes[(index % colours + index / colours) % dashes.count]
      return ".r\(index){--c:var(--colour-\(index % colours));--dash:\(dash)}"
    }
    lines += dashes.enumerated().map { ".v\($0.offset){--dash:\($0.element)}" }
    return lines.joined(separator: "\n")
  }

  /// The rules by which the curves of one subject stand out among those of others, where the page or a
  /// figure has its class as `data-focus`.
  static func focusRules(count: Int) -> String {
    (0..<max(0, count)).map { index in
      "[data-focus=r\(index)] svg.lines .s:not(.r\(index)){opacity:.12!important}"
    }.joined(separator: "\n")
  }

  /// The colours as variables.
  static func variables(_ colours: [String]) -> String {
    colours.enumerated().map { "--colour-\($0.offset):\($0.element);" }.joined()
  }
}

/// Colours for numbers from -1 to 1: one hue below zero, another above, the ground between.
///
/// Both hues, orange and blue, are distinguished by the colour-blind. Numbers are put into
/// ``steps`` classes, so that a page needs few rules for any number of cells.
public enum ColourRamp {
  /// Classes from -1 to 1; odd, so that zero has one of its own.
  public static let steps = 21

  /// The class of a value; values beyond the ends belong to the ends.
  public static func step(_ value: Double) -> Int {
    let half = Double(steps / 2)
    return Int((min(max(value, -1), 1) * half).rounded()) + steps / 2
  }

  static let light = (
    below: (166.0, 66.0, 0.0), zero: (236.0, 236.0, 230.0), above: (0.0, 76.0, 138.0)
  )
  static let dark = (
    below: (255.0, 160.0, 92.0), zero: (44.0, 48.0, 54.0), above: (122.0, 194.0, 255.0)
  )

  /// The classes' colours as variables `--heat-0`...
  static func variables(
    _ ends: (
      below: (Double, Double, Double), zero: (Double, Double, Double),
      above: (Double, Double, Double)
    )
  ) -> String {
    (0..<steps).map { step in
      let share = Double(step - steps / 2) / Double(steps / 2)
      let end = share < 0 ? ends.below : ends.above
      let part = share.magnitude
      let channels = [
        ends.zero.0 + (end.0 - ends.zero.0) * part, ends.zero.1 + (end.1 - ends.zero.1) * part,
        ends.zero.2 + (end.2 - ends.zero.2) * part,
      ]
      return "--heat-\(step):rgb(\(channels.map { String(Int($0)) }.joined(separator: " ")));"
    }.joined()
  }

  static var rules: String {
    (0..<steps).map { ".h\($0){fill:var(--heat-\($0))}" }.joined(separator: "\n")
  }
}
