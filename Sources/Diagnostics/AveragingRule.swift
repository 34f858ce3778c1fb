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
