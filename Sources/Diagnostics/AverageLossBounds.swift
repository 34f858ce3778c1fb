/// Bounds of convex theory for the run so far; see ``ConvergenceBounds`` for the formulas.
///
/// The distance to a minimiser is not known. It is passed in, as one of two stand-ins:
/// `|theta_1 - average|`, and ``displacementMax``. Infinite where a bound says nothing.
extension AverageLossMonitor {
  /// Stands in for the largest distance between an iterate and a minimiser: the radius and the
  /// largest displacement, by the triangle inequality.
  public func diameter(radius: Double) -> Double { radius + displacementMax }

  /// B1: how far the mean loss may lie above the best; only for rates that never rose.
  ///
  /// `D^2 / (2 T eta_T) + sum eta_t |g_t|^2 / (2 T)`. Infinite where ``isMonotone`` is false.
  public func meanLossBound(diameter: Double) -> Double {
    guard let last = history.lastRate, isMonotone else { return .infinity }
    return ConvergenceBounds.meanLoss(
      steps: steps, lastRate: last, rateGradients: sums.rateGradients, diameter: diameter)
  }

  /// B2: how far the rate-weighted mean loss may lie above the best, `(R^2 + SG) / (2 S1)`.
  public func weightedMeanLossBound(radius: Double) -> Double {
    ConvergenceBounds.quotient(radius * radius + sums.squaredSteps, 2 * sums.rates)
  }

  /// B4: how far the last iterate may lie above the best, if the run ended here.
  ///
  /// Goes over the history.
  public func lastIterateBound(radius: Double) -> Double {
    history.lastIterateBound(radius: radius)
  }

  /// B6: the same for a run that is linear decay to zero, and has arrived there; nil for any other.
  public func linearDecayBound(radius: Double) -> Double? {
    guard let weight = history.weightOfLinearDecay else { return nil }
    let total = weight * Double(steps)
    return (radius * radius + weight * weight * sums.squaredGradients) / (2 * total)
  }

  /// The bound of the best constant learning rate on the mean loss, `R G_rms / sqrt T`.
  public func bestConstantBound(radius: Double) -> Double {
    radius * sums.squaredGradients.squareRoot() / Double(steps)
  }

  /// The best constant rate by hindsight, `R / sqrt V`.
  public func bestConstantRate(radius: Double) -> Double {
    ConvergenceBounds.quotient(radius, sums.squaredGradients.squareRoot())
  }

  /// The present rate against the best constant one, `eta_T sqrt(V) / R`.
  ///
  /// Far above 1 the rate is higher than theory would have it. NaN before the first step.
  public func rateRatio(radius: Double) -> Double {
    (history.lastRate ?? .nan) / bestConstantRate(radius: radius)
  }

  /// What the loss is compared with.
  public enum Reference: Sendable, Equatable {
    /// Zero, below which no reconstruction loss lies.
    case zero
    /// The least loss of any evaluation.
    case evaluation(Double)
    /// ``lossLimit``.
    case limit

    /// The reference's name in logs and messages.
    public var name: String {
      switch self {
      case .zero: "zero"
      case .evaluation: "minimum evaluation loss"
      case .limit: "limit"
      }
    }
  }

  /// The value of a reference; nil where the limit is not known.
  public func value(of reference: Reference) -> Double? {
    switch reference {
    case .zero: 0
    case .evaluation(let loss): loss
    case .limit: lossLimit
    }
  }

  /// How far the mean loss lies above a reference.
  public func gap(above reference: Reference) -> Double? {
    value(of: reference).map { meanLoss - $0 }
  }

  /// How far the rate-weighted mean loss lies above a reference.
  public func weightedGap(above reference: Reference) -> Double? {
    value(of: reference).map { weightedMeanLoss - $0 }
  }

  /// The gap in units of the bound: up to 1 it agrees with theory; above 1 the loss is not
  /// convex there, or the radius too small, or the reference too low.
  public static func slackRatio(gap: Double, bound: Double) -> Double { gap / bound }
}
