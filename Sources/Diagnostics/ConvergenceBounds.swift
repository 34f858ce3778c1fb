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

  /// The last iterate, for rates that never rise:
  /// `R^2 / (2 T eta_T) + sum_t (eta_t^2 / eta_T) |g_t|^2 / max(1, T - t) / 2`.
  public static func lastIterateOfFallingRates(
    rates: [Double], gradientNorms: [Double], radius: Double
  ) -> Double {
    check(rates, gradientNorms)
    let T = rates.count
    let last = rates[T - 1]
    let rest = (0..<T).reduce(0.0) { sum, i in
      let step = rates[i] * gradientNorms[i]
      return sum + quotient(step * step, last) / Double(max(1, T - 1 - i))
    }
    return quotient(radius * radius, 2 * Double(T) * last) + rest / 2
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
