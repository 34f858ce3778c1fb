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
