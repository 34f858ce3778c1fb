import Foundation

/// Says during training when the loss runs away.
///
/// The loss, smoothed over some ten steps, is compared with the least it has been since step
/// ``start``. Gradients that are clipped at nearly every step are no reason to warn: that is how normalised gradient
/// descent looks.
public struct LossWatch: Sendable, Equatable {
  /// Steps that do not count: 50.
  ///
  /// The first losses may fall for trivial reasons, and rise again.
  public static let start = 50
  /// Smoothed loss against its least, that is a warning: 2.
  ///
  /// Twice the squared error are 3 dB, more than a tenfold longer run gains. Batches of images differ by
  /// less than that, and their means over ten steps by far less.
  public static let diverging = 2.0
  /// The ratio below which the warning ends: 1.5.
  public static let recovered = 1.5

  private var smoothed = RecentMean(decay: 0.9)
  private var counted = 0
  private var least = Double.infinity
  private var isDiverging = false

  /// No steps yet.
  public init() {}

  /// The numbers between two steps; `init(state:)` takes them back bit for bit.
  public var state: [Double] {
    smoothed.state + [Double(counted), least, isDiverging ? 1 : 0]
  }

  /// Continues from a ``state``; nil if it cannot be one.
  public init?(state: [Double]) {
    guard state.count == 5, let counted = Int(exactly: state[2]), counted >= 0 else { return nil }
    smoothed = RecentMean(decay: smoothed.decay, state: state[0..<2])
    (self.counted, least, isDiverging) = (counted, state[3], state[4] == 1)
  }

  /// Takes in a step's loss, not negative; returns ``warning``.
  ///
  /// A loss that is not finite is skipped.
  /// - Parameter step: counted from 1.
  @discardableResult
  public mutating func record(step: Int, loss: Double) -> String? {
    guard step > Self.start, loss.isFinite else { return warning }
    smoothed.record(loss)
    counted += 1
    if counted >= 10 { least = min(least, smoothed.value) }
    isDiverging = ratio > (isDiverging ? Self.recovered : Self.diverging)
    return warning
  }

  private var ratio: Double { least > 0 && least.isFinite ? smoothed.value / least : 1 }

  /// The warning after the last step; nil if there is none.
  public var warning: String? {
    guard isDiverging else { return nil }
    return String(
      format: "loss diverging: %.3g, %.1f times its least, %.3g", smoothed.value, ratio, least)
  }
}

/// An exponential mean of recent values, divided by the weight it has so far, so that it is a mean from
/// the first value on.
struct RecentMean: Sendable, Equatable {
  /// The part of the past that stays each step: values of the last `1 / (1 - decay)` steps or so count.
  let decay: Double
  // Of the values, and of as many ones.
  private var sum = 0.0
  private var weight = 0.0

  init(decay: Double) {
    self.decay = decay
  }

  var state: [Double] { [sum, weight] }

  init(decay: Double, state: ArraySlice<Double>) {
    self.decay = decay
    sum = state[state.startIndex]
    weight = state[state.startIndex + 1]
  }

  mutating func record(_ value: Double) {
    sum = decay * sum + (1 - decay) * value
    weight = decay * weight + (1 - decay)
  }

  /// NaN before the first value.
  var value: Double { sum / weight }
}
