import Foundation

/// Where a number lies on an axis: 0 at its lower end, 1 at its upper end.
public struct Scale: Sendable, Equatable {
  /// How numbers are spread.
  public enum Kind: Sendable, Equatable {
    /// Equal differences are equal distances.
    case linear
    /// Equal ratios are equal distances; only positive numbers have a place.
    case logarithmic
  }

  /// A number that is marked on the axis.
  public struct Tick: Sendable, Equatable {
    /// Where.
    public let value: Double
    /// What is written there.
    public let label: String
  }

  /// How numbers are spread.
  public let kind: Kind
  /// The number at the lower end.
  public let lower: Double
  /// The number at the upper end.
  public let upper: Double

  /// A scale from `lower` to `upper`.
  ///
  /// Ends that cannot be (equal, reversed, not finite, not positive on a logarithmic scale) are moved
  /// apart, so that every scale can be drawn.
  public init(_ kind: Kind, from lower: Double, to upper: Double) {
    self.kind = kind
    var (low, high) = (min(lower, upper), max(lower, upper))
    if !low.isFinite || !high.isFinite { (low, high) = (kind == .linear ? 0 : 1, 10) }
    switch kind {
    case .linear:
      if low == high {
        let half = low == 0 ? 1 : low.magnitude / 2
        (low, high) = (low - half, high + half)
      }
    case .logarithmic:
      if high <= 0 { (low, high) = (1, 10) }
      if low <= 0 { low = high / 1000 }
      if high / low < 1.000001 { (low, high) = (low / 2, high * 2) }
    }
    self.lower = low
    self.upper = high
  }

  /// A scale around values, its ends rounded outwards to where ticks are.
  ///
  /// Values that have no place on the scale count for nothing. `including` are numbers that should be
  /// seen too, such as 0.
  public init(
    _ kind: Kind, around values: some Sequence<Double>, including: [Double] = [], ticks: Int = 5
  ) {
    var (low, high) = (Double.infinity, -Double.infinity)
    for value in values where value.isFinite && (kind == .linear || value > 0) {
      low = min(low, value)
      high = max(high, value)
    }
    for value in including where value.isFinite && (kind == .linear || value > 0) {
      low = min(low, value)
      high = max(high, value)
    }
    let exact = Scale(kind, from: low, to: high)
    switch kind {
    case .linear:
      let step = Self.niceStep(exact.upper - exact.lower, count: ticks)
      self.init(
        kind, from: (exact.lower / step + 1e-9).rounded(.down) * step,
        to: (exact.upper / step - 1e-9).rounded(.up) * step)
    case .logarithmic:
      self.init(
        kind, from: Self.niceBelow(exact.lower), to: 1 / Self.niceBelow(1 / exact.upper))
    }
  }

  /// The place of a number, 0...1 within the ends; NaN where it has none.
  public func position(_ value: Double) -> Double {
    guard value.isFinite else { return .nan }
    switch kind {
    case .linear: return (value - lower) / (upper - lower)
    case .logarithmic:
      return value > 0 ? log(value / lower) / log(upper / lower) : .nan
    }
  }

  /// Round numbers within the ends, at most so many.
  public func ticks(atMost count: Int) -> [Tick] {
    let count = max(2, count)
    guard kind == .logarithmic, upper / lower > 4 else { return linearTicks(atMost: count) }
    let decades = Int(log10(lower).rounded(.up))...Int(log10(upper * 1.0000001).rounded(.down)) + 1
    let whole = decades.dropLast().map { pow(10, Double($0)) }
    for digits in [[1.0, 2, 5], [1, 3]] {
      let all = (decades.lowerBound - 1..<decades.upperBound).flatMap { decade in
        digits.map { $0 * pow(10, Double(decade)) }
      }.filter { $0 >= lower * 0.999999 && $0 <= upper * 1.000001 }
      if all.count <= count, all.count >= 2 { return all.map(Self.logarithmic) }
    }
    let stride = (whole.count + count - 1) / count
    return whole.enumerated().filter { $0.offset % max(1, stride) == 0 }
      .map { Self.logarithmic($0.element) }
  }

  private static func logarithmic(_ value: Double) -> Tick {
    Tick(value: value, label: NumberLabel.logarithmicTick(value))
  }

  private func linearTicks(atMost count: Int) -> [Tick] {
    let step = Self.niceStep(upper - lower, count: count - 1)
    let first = Int((lower / step - 1e-9).rounded(.up))
    let last = Int((upper / step + 1e-9).rounded(.down))
    guard first <= last else { return [] }
    return (first...last).map {
      Tick(value: Double($0) * step, label: NumberLabel.tick(Double($0) * step, step: step))
    }
  }

  /// 1, 2 or 5 times a power of ten, the smallest that divides a span into at most `count` parts.
  static func niceStep(_ span: Double, count: Int) -> Double {
    let rough = span / Double(max(1, count))
    let decade = pow(10, log10(rough).rounded(.down))
    for digit in [1.0, 2, 5] where digit * decade >= rough * 0.999999 { return digit * decade }
    return 10 * decade
  }

  /// The nearest of 1, 2, 5 times a power of ten that is not above.
  private static func niceBelow(_ value: Double) -> Double {
    let decade = pow(10, (log10(value) + 1e-9).rounded(.down))
    for digit in [5.0, 2] where digit * decade <= value * 1.000001 { return digit * decade }
    return decade
  }
}

/// The rectangle that curves are drawn in, and its axes.
///
/// One unit is one pixel at a width of 360, the narrowest screens; a chart is never shown narrower
/// than that by much, so its text of 12 units stays readable.
struct Frame {
  /// Numbers along one side.
  struct Axis {
    var title: String
    var scale: Scale
    var ticks = 6
  }

  static let width = 360.0
  /// What a character of a label takes, on average.
  static let characterWidth = 6.7
  /// The same in the weight of the labels at curves' ends.
  static let boldWidth = 7.6

  var height = 226.0
  var left = 40.0
  var right = 12.0
  var top = 8.0
  var bottom = 36.0
  var horizontal: Axis
  var vertical: Axis

  /// A frame around axes, with room for the vertical axis's labels and for labels at the right.
  init(_ horizontal: Axis, _ vertical: Axis, labels: [String] = [], height: Double = 226) {
    self.horizontal = horizontal
    self.vertical = vertical
    self.height = height
    let widest = vertical.scale.ticks(atMost: vertical.ticks).map(\.label.count).max() ?? 0
    left = max(24, Double(widest) * 7 + 8)
    right = max(14, (labels.map { Double($0.count) * Self.boldWidth }.max() ?? 0) + 8)
  }

  static func width(of text: String) -> Double { Double(text.count) * characterWidth }

  func x(_ value: Double) -> Double {
    left + horizontal.scale.position(value) * (Self.width - left - right)
  }

  func y(_ value: Double) -> Double {
    height - bottom - vertical.scale.position(value) * (height - top - bottom)
  }

  /// Lines and labels of both axes.
  var axes: String {
    let n = Markup.coordinate
    var marks = ""
    var labels = ""
    let base = height - bottom
    for tick in horizontal.scale.ticks(atMost: horizontal.ticks) {
      let x = x(tick.value)
      marks += "M\(n(x)) \(n(base))v4"
      // The first and the last label stay within the picture.
      let half = Self.width(of: tick.label) / 2
      let place = min(max(x, half + 1), Self.width - half - 1)
      labels +=
        "<text class=\"middle\" x=\"\(n(place))\" y=\"\(n(base + 17))\">"
        + "\(Markup.escaped(tick.label))</text>"
    }
    return verticalAxis
      + "<path class=\"base\" d=\"M\(n(left)) \(n(base))H\(n(Self.width - right))\(marks)\"/>"
      + "<g class=\"labels\">\(labels)</g>" + horizontalTitle
  }

  /// Lines across the frame, each with its number at the left.
  var verticalAxis: String {
    let n = Markup.coordinate
    var grid = ""
    var labels = ""
    for tick in vertical.scale.ticks(atMost: vertical.ticks) {
      let y = y(tick.value)
      grid += "M\(n(left)) \(n(y))H\(n(Self.width - right))"
      labels +=
        "<text class=\"end\" x=\"\(n(left - 6))\" y=\"\(n(y + 4))\">"
        + "\(Markup.escaped(tick.label))</text>"
    }
    return "<path class=\"grid\" d=\"\(grid)\"/><g class=\"labels\">\(labels)</g>"
  }

  /// The horizontal axis's name, under the middle.
  var horizontalTitle: String {
    let n = Markup.coordinate
    return "<text class=\"middle labels\" x=\"\(n((left + Self.width - right) / 2))\" "
      + "y=\"\(n(height - 4))\">\(Markup.escaped(horizontal.title))</text>"
  }

  /// The whole picture.
  func svg(summary: String, _ content: String) -> String {
    Self.svg(height: height, summary: summary, axes + content)
  }

  static func svg(
    height: Double, summary: String, kind: String = "", _ content: String
  ) -> String {
    "<svg class=\"chart\(kind.isEmpty ? "" : " " + kind)\" viewBox=\"0 0 360 \(Markup.coordinate(height))\" role=\"img\" "
      + "aria-label=\"\(Markup.escaped(summary))\">\(content)</svg>"
  }

  /// Data for the script to convert pixels into numbers and back.
  var reading: String {
    func ends(_ scale: Scale) -> String {
      "\(scale.lower),\(scale.upper),\(scale.kind == .logarithmic ? 1 : 0)"
    }
    let n = Markup.coordinate
    return "\"x\":[\(n(left)),\(n(Self.width - right)),\(ends(horizontal.scale))],"
      + "\"y\":[\(n(height - bottom)),\(n(top)),\(ends(vertical.scale))],"
      + "\"title\":\(Markup.jsonString(horizontal.title))"
  }

  /// A label beside the end of a curve.
  struct EndLabel {
    var text: String
    var x: Double
    var y: Double
    var style: SeriesStyle

    static let height = 12.5

    var width: Double { Double(text.count) * Frame.boldWidth }

    func covers(_ other: EndLabel) -> Bool {
      (y - other.y).magnitude < Self.height && x < other.x + other.width + 2
        && other.x < x + width + 2
    }
  }

  /// Labels beside the ends of curves, moved apart so that none covers another.
  ///
  /// Curves that end at the right edge have theirs in one column there, moved downwards first; of the
  /// others, each goes beside its own end, or above where that is taken.
  func endLabels(_ labels: [EndLabel]) -> String {
    let atEdge = labels.filter { Self.width - right - $0.x < 4 }
    var placed = column(atEdge)
    for var label in labels where Self.width - right - label.x >= 4 {
      label.x = min(label.x + 5, Self.width - label.width - 1)
      label.y = min(label.y, height - bottom - 6)
      while label.y > top, placed.contains(where: { $0.covers(label) }) { label.y -= 2 }
      placed.append(label)
    }
    return placed.map { label in
      "<text class=\"s direct \(label.style.classes)\" x=\"\(Markup.coordinate(label.x))\" "
        + "y=\"\(Markup.coordinate(max(label.y, top) + 4))\">\(Markup.escaped(label.text))</text>"
    }.joined()
  }

  private func column(_ labels: [EndLabel]) -> [EndLabel] {
    var placed = labels.sorted { $0.y < $1.y }
    for index in placed.indices {
      placed[index].x = Self.width - right + 6
      if index > 0 { placed[index].y = max(placed[index].y, placed[index - 1].y + EndLabel.height) }
    }
    var limit = height - bottom - 5
    for index in placed.indices.reversed() {
      placed[index].y = min(placed[index].y, limit)
      limit = placed[index].y - EndLabel.height
    }
    return placed
  }
}
