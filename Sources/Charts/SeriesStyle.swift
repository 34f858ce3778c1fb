/// How a subject is drawn throughout a page: one colour and one dash pattern.
public struct SeriesStyle: Sendable, Hashable {
  /// The subject's number, from 0.
  public let index: Int
  /// Which of several curves of one subject, from 0; nil where a subject has one curve a chart.
  public let variant: Int?

  /// The style of a subject, or of one of its curves.
  public init(_ index: Int, variant: Int? = nil) {
    self.index = index
    self.variant = variant
  }

  /// The classes that give an element colour and dashes.
  public var classes: String {
    variant.map { "r\(index) v\($0 % Self.dashes.count)" } ?? "r\(index)"
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
