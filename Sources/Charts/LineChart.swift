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

  /// How many curves are named at their ends: one needs no name, and more have no room; faint ones
  /// are not.
  static let named = 2...14

  /// Points kept of each curve.
  public static let pointLimit = 320

  /// A sentence on what is to be seen, for those who do not see it.
  public let summary: String
  /// The curves that have a point, with as many points as are drawn; faint ones come last.
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
    let visible = lines.filter { line in
      line.points.contains { $0.y.isFinite && (vertical == .linear || $0.y > 0) }
    }
    let drawable = visible.filter { !$0.style.isFaint } + visible.filter(\.style.isFaint)
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
    let strong = self.lines.filter { !$0.style.isFaint }
    frame = Frame(
      .init(title: horizontal.title, scale: x, ticks: 6), .init(title: "", scale: y),
      labels: Self.named.contains(strong.count) ? strong.map(\.label) : [])
  }

  /// The curves that legend and labels name.
  private var strong: [Line] { lines.filter { !$0.style.isFaint } }

  /// Whether no curve has a point.
  public var isEmpty: Bool { lines.isEmpty }

  /// Every curve with its last value, but for faint ones.
  public var legend: [LegendEntry] {
    strong.map { line in
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

// MARK: - Drawing

extension LineChart {
  /// The picture.
  public var svg: String {
    Frame.svg(height: frame.height, summary: summary, kind: "lines", content)
  }

  /// All that is drawn, axes included.
  var content: String {
    let bands = lines.map(band).joined()
    let curves = (lines.filter(\.style.isFaint) + strong).map(curve).joined()
    let labels = strong.compactMap { line -> Frame.EndLabel? in
      guard !line.label.isEmpty, let last = line.points.last(where: { frame.y($0.y).isFinite })
      else { return nil }
      let y = min(max(frame.y(last.y), frame.top), frame.height - frame.bottom)
      return .init(text: line.label, x: frame.x(last.x), y: y, style: line.style)
    }
    // Words about levels lie on the curves, with a rim of the ground's colour.
    return frame.axes + levels.lines + events.map(event).joined() + bands + curves + levels.labels
      + (Self.named.contains(strong.count) ? frame.endLabels(labels) : "")
  }

  private func curve(_ line: Line) -> String {
    var path = ""
    var dots = ""
    var stretch: [String] = []
    func flush() {
      if stretch.count == 1 {
        let place = stretch[0].split(separator: " ")
        dots += "<circle class=\"mark dot\" cx=\"\(place[0])\" cy=\"\(place[1])\" r=\"2.5\"/>"
      } else if !stretch.isEmpty {
        path += "M" + stretch.joined(separator: " ")
      }
      stretch = []
    }
    for point in line.points {
      let (x, y) = (frame.x(point.x), frame.y(point.y))
      guard x.isFinite, y.isFinite else {
        flush()
        continue
      }
      let inside = min(max(y, frame.top - 4), frame.height - frame.bottom + 2)
      stretch.append("\(Markup.coordinate(x)) \(Markup.coordinate(inside))")
    }
    flush()
    let last = line.points.last { $0.y.isFinite }
    let title = "\(line.name): \(text(last?.y ?? .nan)) at the end"
    return "<g class=\"s \(line.style.classes)\"><title>\(Markup.escaped(title))</title>"
      + (path.isEmpty ? "" : "<path class=\"mark line\" d=\"\(path)\"/>") + dots
      + (line.highlight.map(ring) ?? "") + "</g>"
  }

  private func band(_ line: Line) -> String {
    guard let band = line.band else { return "" }
    func places(_ points: [Point]) -> [String] {
      points.compactMap { point in
        let (x, y) = (frame.x(point.x), frame.y(point.y))
        return x.isFinite && y.isFinite
          ? "\(Markup.coordinate(x)) \(Markup.coordinate(y))" : nil
      }
    }
    let (lower, upper) = (places(band.lower), places(band.upper))
    guard lower.count > 1, upper.count > 1 else { return "" }
    // Many bands lie over each other: each is the fainter.
    let opacity = min(0.18, max(0.03, 0.36 / Double(lines.count)))
    return "<path class=\"s mark band \(line.style.classes)\" "
      + "style=\"opacity:\((opacity * 100).rounded() / 100)\" "
      + "d=\"M\((lower + upper.reversed()).joined(separator: " "))Z\"/>"
  }

  /// A ring around a point that matters.
  private func ring(_ mark: (point: Point, title: String)) -> String {
    let (x, y) = (frame.x(mark.point.x), frame.y(mark.point.y))
    guard x.isFinite, y.isFinite else { return "" }
    let n = Markup.coordinate
    return "<circle class=\"ring\" cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"4\"><title>"
      + "\(Markup.escaped(mark.title))</title></circle>"
  }

  /// The reference levels and their labels; a label that would cover another is omitted.
  private var levels: (lines: String, labels: String) {
    let n = Markup.coordinate
    var taken: [Double] = []
    var (lines, labels) = ("", "")
    for level in references {
      let y = frame.y(level.value)
      guard y.isFinite, y >= frame.top - 1, y <= frame.height - frame.bottom + 1 else { continue }
      lines +=
        "<path class=\"reference\" d=\"M\(n(frame.left)) \(n(y))H\(n(Frame.width - frame.right))\"/>"
      // Below the line where there is no room above it.
      let text = y - frame.top < 14 ? y + 12 : y - 4
      guard !level.label.isEmpty, !taken.contains(where: { ($0 - text).magnitude < 12 }) else {
        continue
      }
      taken.append(text)
      // At the side where fewer points lie under it.
      let width = Frame.width(of: level.label) + 6
      let (left, right) = (frame.left + 4, Frame.width - frame.right - 4)
      let isRight = points(left...left + width, text) > points(right - width...right, text)
      labels +=
        "<text class=\"remark\(isRight ? " end" : "")\" x=\"\(n(isRight ? right : left))\" "
        + "y=\"\(n(text))\">\(Markup.escaped(level.label))</text>"
    }
    return (lines, labels)
  }

  /// How many points of curves lie where a label with this base line would be.
  private func points(_ range: ClosedRange<Double>, _ base: Double) -> Int {
    lines.reduce(0) { sum, line in
      sum
        + line.points.count {
          let (x, y) = (frame.x($0.x), frame.y($0.y))
          return x.isFinite && y.isFinite && range.contains(x) && y > base - 14 && y < base + 5
        }
    }
  }

  private func event(_ event: Event) -> String {
    let x = frame.x(event.x)
    guard x.isFinite, x >= frame.left - 1, x <= Frame.width - frame.right + 1 else { return "" }
    let n = Markup.coordinate
    let base = frame.height - frame.bottom
    return
      "<g class=\"s event \(event.style.classes)\"><title>\(Markup.escaped(event.title))</title>"
      + "<path d=\"M\(n(x)) \(n(base))V\(n(frame.top))\"/>"
      + "<path class=\"flag\" d=\"M\(n(x - 4)) \(n(base + 6))h8l-4 -6z\"/></g>"
  }
}

/// Fewer points for the same picture.
public enum Downsampling {
  /// At most about `count` points, among them the lowest and the highest of every stretch.
  ///
  /// The horizontal axis is cut into `count / 2` stretches of equal length on `scale`; of each its
  /// lowest and its highest point stay, in the order of the curve, so that no spike is lost. First
  /// and last point stay too, and one point of every gap. The points' `x` must not fall.
  public static func extremes(_ points: [Point], atMost count: Int, along scale: Scale) -> [Point] {
    let count = max(4, count)
    guard points.count > count else { return points }
    let stretches = count / 2
    var result: [Point] = []
    result.reserveCapacity(count + 8)
    var start = 0
    while start < points.count {
      let stretch = index(points[start].x, scale, stretches)
      var end = start + 1
      while end < points.count, index(points[end].x, scale, stretches) == stretch { end += 1 }
      append(points[start..<end], to: &result)
      start = end
    }
    if let first = points.first, result.first != first, first.y.isFinite {
      result.insert(first, at: 0)
    }
    if let last = points.last, result.last != last, last.y.isFinite { result.append(last) }
    return result
  }

  private static func index(_ x: Double, _ scale: Scale, _ stretches: Int) -> Int {
    let place = scale.position(x) * Double(stretches)
    guard place.isFinite else { return -1 }
    return Int(min(max(place.rounded(.down), -1), Double(stretches)))
  }

  private static func append(_ stretch: ArraySlice<Point>, to result: inout [Point]) {
    var kept: [Int] = []
    var (low, high, gap): (Int?, Int?, Int?) = (nil, nil, nil)
    for index in stretch.indices {
      let y = stretch[index].y
      guard y.isFinite else {
        gap = gap ?? index
        continue
      }
      if low.map({ y < stretch[$0].y }) ?? true { low = index }
      if high.map({ y > stretch[$0].y }) ?? true { high = index }
    }
    for index in [low, high, gap] {
      if let index, !kept.contains(index) { kept.append(index) }
    }
    for index in kept.sorted() { result.append(stretch[index]) }
  }
}
