import Foundation

/// Bounds of convex theory for stochastic gradient descent, from the learning rates and gradients
/// of a run.
///
/// For `theta_{t+1} = theta_t - eta_t g_t`, `t = 1...T`, and convex losses; with `R = |theta_1 - theta*|`,
/// the distance to a minimiser, and `D` the largest `|theta_t - theta*|`. Gradients come in with
/// the norms that were measured, `|g_t|`, where textbooks have their bound `G`. The first two bounds hold
/// for every sequence of losses and gradients; those of a last iterate hold in expectation. Each is
/// infinite where it says nothing. Su, "Convergence of SGD", kexue.fm 9902, 11469, 11480, 11494;
/// Defazio and others, "Optimal Linear Decay Learning Rate Schedules", arXiv 2310.07831.
public enum ConvergenceBounds {
  /// Mean loss, for rates that never rise:
  /// `mean l_t(theta_t) - mean l_t(theta*) <= D^2 / (2 T eta_T) + sum eta_t |g_t|^2 / (2 T)`.
  public static func meanLoss(
    rates: [Double], gradientNorms: [Double], diameter: Double
  ) -> Double {
    check(rates, gradientNorms)
    return meanLoss(
      steps: rates.count, lastRate: rates[rates.count - 1],
      rateGradients: sum(rates, gradientNorms) { $0 * $1 * $1 }, diameter: diameter)
  }

  static func meanLoss(
    steps: Int, lastRate: Double, rateGradients: Double, diameter: Double
  ) -> Double {
    let T = Double(steps)
    return quotient(diameter * diameter, 2 * T * lastRate) + rateGradients / (2 * T)
  }

  /// Rate-weighted mean loss, for any rates:
  /// `sum eta_t (l_t(theta_t) - l_t(theta*)) / sum eta_t <= (R^2 + sum eta_t^2 |g_t|^2) / (2 sum eta_t)`.
  public static func weightedMeanLoss(
    rates: [Double], gradientNorms: [Double], radius: Double
  ) -> Double {
    check(rates, gradientNorms)
    return quotient(
      radius * radius + squaredSteps(rates, gradientNorms), 2 * rates.reduce(0, +))
  }

  /// The last iterate, for any rates:
  /// `R^2 / (2 eta_{1:T}) + sum_t eta_t^2 |g_t|^2 / eta_{min(t+1,T):T} / 2`, `eta_{a:b}` a sum of rates.
  ///
  /// The iterate before the last step does not depend on the rate of that step. Where rates end at zero,
  /// and the last sum would be empty, the last rate that was not zero stands in for the one after it.
  public static func lastIterate(
    rates: [Double], gradientNorms: [Double], radius: Double
  ) -> Double {
    check(rates, gradientNorms)
    guard let moving = rates.lastIndex(where: { $0 > 0 }) else { return .infinity }
    let last = min(moving + 1, rates.count - 1)
    var suffix = rates[moving]
    var rest = suffix * gradientNorms[last] * gradientNorms[last]
    for i in stride(from: last - 1, through: 0, by: -1) {
      let step = rates[i] * gradientNorms[i]
      rest += step * step / suffix
      suffix += rates[i]
    }
    return radius * radius / (2 * suffix) + rest / 2
  }

  /// The last iterate of a schedule that stems from weights; see ``ScheduleDuality``.
  ///
  /// `(R^2 + sum w_t^2 |g_t|^2) / (2 w_{1:T})` for `eta_t = w_t w_{t+1:T} / w_{1:T}`.
  public static func lastIterate(
    weights: [Double], gradientNorms: [Double], radius: Double
  ) -> Double {
    weightedMeanLoss(rates: weights, gradientNorms: gradientNorms, radius: radius)
  }

  /// The bound of the best constant learning rate on the mean loss, `R G_rms / sqrt T`.
  public static func bestConstant(gradientNorms: [Double], radius: Double) -> Double {
    precondition(!gradientNorms.isEmpty, "a step was made")
    return radius * sumOfSquares(gradientNorms).squareRoot() / Double(gradientNorms.count)
  }

  /// The constant rate for which that is so, `R / sqrt(sum |g_t|^2)`; infinite without gradients.
  public static func bestConstantRate(gradientNorms: [Double], radius: Double) -> Double {
    quotient(radius, sumOfSquares(gradientNorms).squareRoot())
  }

  private static func check(_ rates: [Double], _ norms: [Double]) {
    precondition(!rates.isEmpty && rates.count == norms.count, "a rate and a norm each step")
  }

  private static func sum(
    _ rates: [Double], _ norms: [Double], _ term: (Double, Double) -> Double
  ) -> Double {
    zip(rates, norms).reduce(0) { $0 + term($1.0, $1.1) }
  }

  private static func squaredSteps(_ rates: [Double], _ norms: [Double]) -> Double {
    sum(rates, norms) { $0 * $1 * ($0 * $1) }
  }

  private static func sumOfSquares(_ values: [Double]) -> Double {
    values.reduce(0) { $0 + $1 * $1 }
  }

  /// Nothing promised, rather than 0/0, where there were no steps to speak of.
  static func quotient(_ above: Double, _ below: Double) -> Double {
    below == 0 ? .infinity : above / below
  }
}

/// Whether the bounds of ``AverageLossMonitor`` are theorems for a run, and if not, why.
public struct GuaranteeLabel: Sendable, Equatable {
  /// Conditions of the theorems that do not hold.
  public enum Reason: String, Sendable, CaseIterable {
    /// Momentum, Adam, ...
    case optimizer = "the optimizer is not plain gradient descent"
    /// A network of more than one layer.
    case notConvex = "the loss is not convex in the parameters"
    /// `|u_t| < |g_t|` at some steps.
    case clipped = "gradients are clipped"
    /// Decay that is not part of the loss.
    case weightDecay = "weight decay is no part of the loss"
    /// An exponential moving average, say.
    case codebook = "the codebook moves outside the optimizer"
  }

  /// The reasons, in the order of their cases; empty for a theorem.
  public let reasons: [Reason]

  /// By what the caller knows of the run.
  public init(
    plainGradientDescent: Bool, convex: Bool, clipped: Bool, weightDecay: Bool,
    codebookOutsideOptimizer: Bool
  ) {
    let holds: [Reason: Bool] = [
      .optimizer: !plainGradientDescent, .notConvex: !convex, .clipped: clipped,
      .weightDecay: weightDecay, .codebook: codebookOutsideOptimizer,
    ]
    reasons = Reason.allCases.filter { holds[$0] == true }
  }

  /// "theorem" or "proxy".
  public var label: String { reasons.isEmpty ? "theorem" : "proxy" }

  /// The reasons in words.
  public var because: [String] { reasons.map(\.rawValue) }
}

// MARK: - Schedules

/// Schedules and averages are two sides of one thing.
///
/// With the same gradients, gradient descent with the rates `eta_t = w_t w_{t+1:T} / w_{1:T}` ends where
/// the `w`-weighted average of `z_{t+1} = z_t - w_t g_t` lies; `w_{a:b}` is a sum of weights. Constant
/// weights make linear decay to zero: the uniform average of a run with a constant rate is linear decay in
/// disguise. Defazio and others, "Optimal Linear Decay Learning Rate Schedules and Further
/// Refinements", arXiv 2310.07831.
public enum ScheduleDuality {
  /// The rates that stem from weights, `eta_t = w_t w_{t+1:T} / w_{1:T}`; the last is 0.
  public static func rates(weights: [Double]) -> [Double] {
    precondition(weights.allSatisfy { $0 > 0 }, "weights are positive")
    let total = weights.reduce(0, +)
    var (after, rates) = (0.0, weights)
    for i in weights.indices.reversed() {
      rates[i] = weights[i] * after / total
      after += weights[i]
    }
    return rates
  }

  /// The constant weight `w` that linear decay to zero stems from, `eta_t = w (1 - t/T)`; nil if the
  /// rates are anything else.
  ///
  /// `w = eta_1 T / (T - 1)`. Every rate must lie on the line to a millionth of `w`, so that rates
  /// that were rounded to single precision are recognised.
  public static func constantWeight(ofLinearDecay rates: [Double]) -> Double? {
    let T = Double(rates.count)
    guard rates.count > 1, rates[0] > 0 else { return nil }
    let weight = rates[0] * T / (T - 1)
    let onLine = rates.indices.allSatisfy {
      (rates[$0] - weight * (1 - Double($0 + 1) / T)).magnitude <= 1e-6 * weight
    }
    return onLine ? weight : nil
  }
}
