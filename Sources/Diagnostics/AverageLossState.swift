/// The monitor as a list of numbers, for checkpoints.
extension AverageLossMonitor {
  private static var fields: [WritableKeyPath<Sums, Double>] {
    [
      \.loss, \.weightedLoss, \.smoothedLoss, \.smoothingPower, \.leastLoss, \.rates,
      \.squaredRates,
      \.rateGradients, \.squaredSteps, \.squaredGradients, \.inverseGradients, \.largestGradient,
      \.pathLength, \.squaredMotion, \.motionDotIterate, \.displacement, \.largestDisplacement,
      \.rises,
    ]
  }

  /// How long the list is after so many steps: two numbers a step, and a few; bounded in long runs.
  public static func stateCount(steps: Int) -> Int {
    1 + fields.count + dyadicCount(steps) + StepHistory.stateCount(steps: steps)
  }

  private static func dyadicCount(_ steps: Int) -> Int {
    Int.bitWidth - steps.leadingZeroBitCount
  }

  /// The numbers between two steps; `init(state:)` takes them back bit for bit.
  ///
  /// The number of steps, the sums, the dyadic means, the history.
  public var state: [Double] {
    [Double(steps)] + Self.fields.map { sums[keyPath: $0] } + dyadicMeans + history.state
  }

  /// Continues from a ``state``; nil if its length cannot be right.
  public init?(state: [Double]) {
    guard let first = state.first, let steps = Int(exactly: first), steps >= 0, steps < 1 << 53
    else { return nil }
    let sums = 1 + Self.fields.count + Self.dyadicCount(steps)
    guard state.count >= sums,
      let history = StepHistory(steps: steps, state: state[sums...])
    else { return nil }
    self.init()
    var rest = state.dropFirst()
    for field in Self.fields { self.sums[keyPath: field] = rest.removeFirst() }
    dyadicMeans = Array(rest.prefix(Self.dyadicCount(steps)))
    self.history = history
  }
}
