/// How the iterates of a run are weighed in their average.
///
/// Every rule is a running mean, `avg += c_t (theta_t - avg)`; it says how the share `c_t` comes
/// about. ``AveragingProgress`` counts.
public enum AveragingRule: Sendable, Hashable {
  /// `c_t = 1 / t`: all iterates alike. The average to which the bound of the mean loss passes on
  /// (Jensen), where the rates do not rise.
  case uniform
  /// `c_t = eta_t / (eta_1 + ... + eta_t)`: each iterate by its learning rate. The average to which the
  /// bound of the rate-weighted mean loss passes on, for any schedule.
  case rateWeighted
  /// A uniform average that starts over: the first iterates, far from the end, drop out.
  case tail(TailStart)
  /// `c_t = (gamma + 1) / (t + gamma)`: weights that grow about as `t^gamma`; 0 is the uniform average.
  ///
  /// Shamir and Zhang, "Stochastic Gradient Descent for Non-smooth Optimization", 2013; there `gamma` is 3.
  case polynomial(gamma: Double)
  /// `c_t = 1 - decay`: weights that fall off exponentially into the past.
  case ema(decay: Double, start: ExponentialStart)

  /// When a tail average starts over.
  public enum TailStart: Sendable, Hashable {
    /// At the steps 1, 2, 4, 8, ...: it covers between one iterate and the last half of all. The length
    /// of the run need not be known.
    case doubling
    /// After step `floor((1 - share) T)`; until then it is the uniform average from the start.
    case share(Double)
  }

  /// How an exponential average begins.
  public enum ExponentialStart: Sendable, Hashable {
    /// At the first iterate, which weighs `decay^(t-1)` at step `t`.
    case first
    /// At nothing, divided by `1 - decay^t` as in Adam: `c_t = (1 - decay) / (1 - decay^t)`.
    case debiased
  }

  /// The rule's name in logs and messages.
  public var name: String {
    switch self {
    case .uniform: "uniform"
    case .rateWeighted: "rateWeighted"
    case .tail: "tail"
    case .polynomial: "polynomial"
    case .ema: "ema"
    }
  }

  /// Whether the rule's number is one it can work with: a tail's share in 0...1 without 0, `gamma` not
  /// negative, a decay in 0...1 without 1.
  public var isValid: Bool {
    switch self {
    case .uniform, .rateWeighted, .tail(.doubling): true
    case .tail(.share(let share)): share > 0 && share <= 1
    case .polynomial(let gamma): gamma >= 0 && gamma.isFinite
    case .ema(let decay, _): decay >= 0 && decay < 1
    }
  }

  /// Whether the average starts over at step `t` of `steps`.
  func begins(atStep t: Int, of steps: Int) -> Bool {
    switch self {
    case .tail(.doubling):
      return t.nonzeroBitCount == 1
    case .tail(.share(let share)):
      // A little more, so that a fraction of 0.9 of 10 steps begins after 1 and not, for rounding,
      // after 0.
      let before = ((1 - share) * Double(steps) * (1 + 1e-12)).rounded(.down)
      // With the smallest shares and the largest numbers of steps rounding leaves nothing of the tail.
      return t == 1 + min(Int(exactly: before) ?? .max, steps - 1)
    case .uniform, .rateWeighted, .polynomial, .ema:
      return false
    }
  }
}

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
