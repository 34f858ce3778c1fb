import Foundation

/// Learning rates that fit the gradients' norms `G_t`, and what they promise.
///
/// With `V_t = sum_{k<=t} G_k^2` and `Q_t = sum_{k<=t} G_k^-2`; `R` is the distance to a minimiser.
/// Optimal ones look ahead and are for hindsight; causal ones use what is known at step `t`. Large
/// gradients at the start call for small rates there: warm-up. Su, "Convergence of SGD", part 5, kexue.fm 11530.
public enum GradientAdaptedSchedules {
  /// For the mean loss, causal: `R / sqrt(V_t)`, AdaGrad with one rate for all parameters.
  public static func adaGrad(gradientNorms: [Double], radius: Double) -> [Double] {
    running(gradientNorms) { $0 * $0 }.map { radius / $0.squareRoot() }
  }

  /// What ``adaGrad(gradientNorms:radius:)`` promises of the mean loss: `1.5 R sqrt(V_T) / T`.
  public static func adaGradBound(gradientNorms: [Double], radius: Double) -> Double {
    1.5 * ConvergenceBounds.bestConstant(gradientNorms: gradientNorms, radius: radius)
  }

  /// For the rate-weighted mean loss, optimal: `R G_t^-2 / sqrt(Q_T)`, which promises `R / sqrt(Q_T)`.
  public static func weighted(gradientNorms: [Double], radius: Double) -> [Double] {
    guard let last = inverseSquares(gradientNorms).last else { return [] }
    return gradientNorms.map { radius / ($0 * $0 * last.squareRoot()) }
  }

  /// For the rate-weighted mean loss, causal: `R G_t^-2 / sqrt(Q_t)`.
  public static func causalWeighted(gradientNorms: [Double], radius: Double) -> [Double] {
    zip(gradientNorms, inverseSquares(gradientNorms)).map {
      radius / ($0 * $0 * $1.squareRoot())
    }
  }

  /// For the last iterate, optimal: `R G_t^-2 / sqrt(Q_T) (1 - Q_t / Q_T)`.
  ///
  /// It warms up and decays.
  public static func lastIterate(gradientNorms: [Double], radius: Double) -> [Double] {
    let sums = inverseSquares(gradientNorms)
    guard let last = sums.last else { return [] }
    return zip(weighted(gradientNorms: gradientNorms, radius: radius), sums).map {
      $0 * (1 - $1 / last)
    }
  }

  /// For the last iterate, causal but for the run's length: `R G_t^-2 / sqrt(Q_t) (1 - t/T)`.
  public static func causalLinearDecay(gradientNorms: [Double], radius: Double) -> [Double] {
    let T = Double(gradientNorms.count)
    return causalWeighted(gradientNorms: gradientNorms, radius: radius).enumerated().map {
      $1 * (1 - Double($0 + 1) / T)
    }
  }

  private static func inverseSquares(_ norms: [Double]) -> [Double] {
    precondition(norms.allSatisfy { $0 > 0 }, "gradients do not vanish")
    return running(norms) { 1 / ($0 * $0) }
  }

  private static func running(_ values: [Double], _ term: (Double) -> Double) -> [Double] {
    var sum = 0.0
    return values.map {
      sum += term($0)
      return sum
    }
  }
}
