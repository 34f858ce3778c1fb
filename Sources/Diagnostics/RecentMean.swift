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
