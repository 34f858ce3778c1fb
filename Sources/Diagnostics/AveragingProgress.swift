/// An average of iterates under way: its rule, and the numbers that the next share depends on.
///
/// The vectors are the caller's: for each step it moves its average by
/// `avg += c_t (theta_t - avg)`, with `c_t` from ``share(step:of:learningRate:)``. The bounds speak of
/// the iterate *before* the update at the rate `eta_t`, so that is the one to pass by.
public struct AveragingProgress: Sendable, Equatable {
  /// How the iterates are weighed.
  public let rule: AveragingRule
  // Iterates since the average began.
  private var count = 0
  // The sum of the rates, or the power of the decay.
  private var sum = 0.0

  /// An average of nothing yet.
  public init(_ rule: AveragingRule) {
    precondition(rule.isValid, "a share in (0, 1], gamma >= 0, a decay in [0, 1)")
    self.rule = rule
  }

  /// The numbers between two steps; `init(_:state:)` takes them back bit for bit.
  public var state: [Double] { [Double(count), sum] }

  /// Continues from a ``state``; nil if it cannot be one of this rule.
  public init?(_ rule: AveragingRule, state: [Double]) {
    guard rule.isValid, state.count == 2, let count = Int(exactly: state[0]), count >= 0,
      state[1] >= 0, state[1].isFinite
    else { return nil }
    self.init(rule)
    (self.count, sum) = (count, state[1])
  }

  /// Iterates that the average is of, since it last began.
  public var iterates: Int { count }

  /// The weight `c_t`, 0...1, with which the average moves towards the iterate of this step.
  ///
  /// The first share is 1, and so is the first after a new start: what the average held before is gone.
  /// - Parameters:
  ///   - t: the step, counted from 1; each one once, in order.
  ///   - steps: the length of the run, as planned by now.
  ///   - learningRate: `eta_t`, not negative; only a rate-weighted average asks.
  public mutating func share(step t: Int, of steps: Int, learningRate: Double) -> Double {
    precondition(t >= 1, "steps are counted from 1")
    if rule.begins(atStep: t, of: steps) { (count, sum) = (0, 0) }
    count += 1
    switch rule {
    case .uniform, .tail: return 1 / Double(count)
    case .polynomial(let gamma): return (gamma + 1) / (Double(count) + gamma)
    case .rateWeighted: return rateShare(learningRate)
    case .ema(let decay, .first): return count == 1 ? 1 : 1 - decay
    case .ema(let decay, .debiased):
      sum = count == 1 ? decay : sum * decay
      return (1 - decay) / (1 - sum)
    }
  }

  private mutating func rateShare(_ rate: Double) -> Double {
    precondition(rate >= 0 && rate.isFinite, "a learning rate is not negative")
    sum += rate
    // As long as every rate was zero, no iterate has moved from the first.
    return sum > 0 ? rate / sum : 1
  }
}
