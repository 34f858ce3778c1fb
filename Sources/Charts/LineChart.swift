/// Curves over one horizontal axis.
public struct LineChart: Chart {
  /// A curve.
  public struct Line: Sendable {
    /// What it is called.
    public var name: String
    /// The label at its right end: the name, a shorter one, or nothing if empty.
    public var label: String
    /// Its text in the legend; nil for its last value.
    public var value: String?
    /// Colour and dashes.
    public var style: SeriesStyle
    /// Its points, in the order of `x`; gaps where `y` is not finite.
    public var points: [Point]
    /// Lower and upper ends of a band around it; points of equal `x`.
    public var band: (lower: [Point], upper: [Point])?
    /// A point with a ring around it, such as the best one, and what it is.
    public var highlight: (point: Point, title: String)?

    /// A curve.
    public init(
      _ name: String, label: String? = nil, _ style: SeriesStyle, _ points: [Point],
      band: (lower: [Point], upper: [Point])? = nil
    ) {
      self.name = name
      self.label = label ?? name
      self.style = style
      self.points = points
      self.band = band
    }
  }

  /// A reference level for curves.
  public struct Reference: Sendable {
    /// Where.
    public var value: Double
    /// What it is.
    public var label: String

    /// A level.
    public init(_ value: Double, _ label: String) {
      self.value = value
      self.label = label
    }
  }

  /// A moment on the horizontal axis.
  public struct Event: Sendable {
    /// When.
    public var x: Double
    /// Whose.
    public var style: SeriesStyle
    /// What happened.
    public var title: String

    /// A moment.
    public init(_ x: Double, _ style: SeriesStyle, _ title: String) {
      self.x = x
      self.style = style
      self.title = title
    }
  }

  /// How many curves are named at their ends: one needs no name, and more have no room.
  static let named = 2...14

  /// Points kept of each curve.
  public static let pointLimit = 320

  /// A sentence on what is to be seen, for those who do not see it.
  public let summary: String
  /// The curves that have a point, with as many points as are drawn.
  public let lines: [Line]
  /// Levels.
  public let references: [Reference]
  /// Moments.
  public let events: [Event]
  let frame: Frame
  private let decimals: Int?
  private let including: [Double]

  /// A chart of curves.
  ///
  /// - Parameters:
  ///   - horizontal: the horizontal axis's name and kind.
  ///   - vertical: the vertical axis's kind.
  ///   - including: numbers that the vertical axis should reach.
  ///   - range: the vertical axis's ends, where they are known.
  ///   - decimals: of values in legend and table; nil for four significant digits.
  public init(
    summary: String, _ lines: [Line], horizontal: (title: String, kind: Scale.Kind),
    vertical: Scale.Kind = .linear, including: [Double] = [], range: ClosedRange<Double>? = nil,
    references: [Reference] = [], events: [Event] = [], decimals: Int? = nil
  ) {
    self.summary = summary
    self.references = references
    self.events = events
    self.decimals = decimals
    self.including = including
    let drawable = lines.filter { line in
      line.points.contains { $0.y.isFinite && (vertical == .linear || $0.y > 0) }
    }
    let xs = drawable.flatMap { line in [line.points.first?.x, line.points.last?.x] }
      .compactMap { $0 }
    let x = Scale(
      horizontal.kind, from: horizontal.kind == .linear ? min(0, xs.min() ?? 0) : xs.min() ?? 1,
      to: xs.max() ?? 1)
    self.lines = drawable.map { line in
      var line = line
      line.points = Downsampling.extremes(line.points, atMost: Self.pointLimit, along: x)
      line.band = line.band.map { band in
        (
          Downsampling.extremes(band.lower, atMost: Self.pointLimit / 2, along: x),
          Downsampling.extremes(band.upper, atMost: Self.pointLimit / 2, along: x)
        )
      }
      return line
    }
    let ys = self.lines.flatMap { line in
      (line.points + (line.band?.lower ?? []) + (line.band?.upper ?? [])).map(\.y)
    }
    let y =
      range.map { Scale(vertical, from: $0.lowerBound, to: $0.upperBound) }
      ?? Scale(vertical, around: ys, including: including)
    frame = Frame(
      .init(title: horizontal.title, scale: x, ticks: 6), .init(title: "", scale: y),
      labels: Self.named.contains(self.lines.count) ? self.lines.map(\.label) : [])
  }

  /// Whether no curve has a point.
  public var isEmpty: Bool { lines.isEmpty }

  /// Every curve with its last value.
  public var legend: [LegendEntry] {
    lines.map { line in
      LegendEntry(
        line.name, line.style,
        value: line.value ?? text(line.points.last { $0.y.isFinite }?.y ?? .nan))
    }
  }

  /// The curves at some dozen places.
  public var table: DataTable {
    let xs = Set(lines.flatMap { $0.points.map(\.x) }).sorted()
    let rows = 12
    let chosen =
      xs.count <= rows
      ? xs : (0..<rows).map { xs[$0 * (xs.count - 1) / (rows - 1)] }
    return DataTable(
      [frame.horizontal.title] + lines.map(\.name),
      chosen.map { x in
        [NumberLabel.value(x, digits: 7)]
          + lines.map { line in
            line.points.last { $0.x <= x && $0.y.isFinite }.map { text($0.y) } ?? "–"
          }
      })
  }

  /// Ends of the axes, and all points that are drawn.
  public var reading: String? {
    var known: [[Double]: Int] = [:]
    let series = lines.enumerated().map { index, line -> String in
      let points = line.points.filter { $0.y.isFinite }
      let places = points.map(\.x)
      // Curves over the same places name the first of them.
      let x =
        known[places].map(String.init)
        ?? Self.json(places, digits: 7)
      if known[places] == nil { known[places] = index }
      return "{\"n\":\(Markup.jsonString(line.name)),\"l\":\(Markup.jsonString(line.label)),"
        + "\"c\":\(Markup.jsonString(line.style.classes)),\"r\":\(line.style.index),"
        + "\"x\":\(x),\"y\":\(Self.json(points.map(\.y)))\(bandReading(line))}"
    }
    let levels = references.map {
      "[\(Markup.jsonNumber($0.value)),\(Markup.jsonString($0.label))]"
    }
    let moments = events.map {
      "{\"x\":\(Markup.jsonNumber($0.x, digits: 7)),\"r\":\($0.style.index),"
        + "\"n\":\(Markup.jsonString($0.title))}"
    }
    return "{\"kind\":\"lines\",\(frame.reading),"
      + "\"decimals\":\(decimals.map(String.init) ?? "null"),"
      + "\"including\":\(Self.json(including)),\"references\":[\(levels.joined(separator: ","))],"
      + "\"events\":[\(moments.joined(separator: ","))],"
      + "\"series\":[\(series.joined(separator: ","))]}"
  }

  /// The ends of a band: places and values of its lower end, then of its upper.
  private func bandReading(_ line: Line) -> String {
    guard let band = line.band else { return "" }
    func pair(_ points: [Point]) -> String {
      let known = points.filter { $0.y.isFinite }
      return "\(Self.json(known.map(\.x), digits: 7)),\(Self.json(known.map(\.y)))"
    }
    return ",\"b\":[\(pair(band.lower)),\(pair(band.upper))]"
  }

  private static func json(_ numbers: [Double], digits: Int = 4) -> String {
    "[\(numbers.map { Markup.jsonNumber($0, digits: digits) }.joined(separator: ","))]"
  }

  /// A value as legend and table show it.
  func text(_ value: Double) -> String {
    guard let decimals, value.isFinite else { return NumberLabel.value(value) }
    return NumberLabel.fixed(value, decimals: decimals)
  }
}
