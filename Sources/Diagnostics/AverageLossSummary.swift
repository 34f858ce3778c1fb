/// Summary of the measurements. Without steps, means are NaN and maxima 0.
extension AverageLossMonitor {
  /// `(1/T) sum l_t`.
  public var meanLoss: Double { sums.loss / Double(steps) }
  /// `sum eta_t l_t / sum eta_t`.
  public var weightedMeanLoss: Double { sums.weightedLoss / sums.rates }
  /// An exponential mean of the loss that keeps ``smoothing`` of the past a step, divided by
  /// `1 - smoothing^t`.
  public var smoothedLoss: Double { sums.smoothedLoss / (1 - sums.smoothingPower) }
  /// The least loss of any batch; infinite at the start.
  public var leastLoss: Double { sums.leastLoss }

  /// S1, `sum eta_t`.
  public var sumOfRates: Double { sums.rates }
  /// S2, `sum eta_t^2`.
  public var sumOfSquaredRates: Double { sums.squaredRates }
  /// SG, `sum eta_t^2 |g_t|^2`: the squared motion if all of it were plain gradient descent.
  public var sumOfSquaredSteps: Double { sums.squaredSteps }
  /// V, `sum |g_t|^2`.
  public var sumOfSquaredGradients: Double { sums.squaredGradients }
  /// Q, `sum |g_t|^-2`, without gradients below ``leastGradient``.
  public var sumOfInverseGradients: Double { sums.inverseGradients }
  /// `sum |theta_{t+1} - theta_t|^2`, as it was measured.
  public var sumOfSquaredMotion: Double { sums.squaredMotion }

  /// The largest `|g_t|`.
  public var gradientMax: Double { sums.largestGradient }
  /// `sqrt(V / T)`.
  public var gradientRMS: Double { (sums.squaredGradients / Double(steps)).squareRoot() }
  /// The 95th percentile of `|g_t|`: of all steps, or in a run of ``StepHistory/capacity`` steps and
  /// more of every so many; sorts the history.
  public var gradientP95: Double { Quantile.of(gradientNorms, 0.95) }

  /// `|theta_{T+1} - theta_1|`.
  public var displacement: Double { sums.displacement }
  /// R_max, the largest displacement so far.
  public var displacementMax: Double { sums.largestDisplacement }
  /// `sum |theta_{t+1} - theta_t|`, an upper bound of the displacement.
  public var pathLength: Double { sums.pathLength }
  /// Displacement in path lengths, 0...1: 1 on a straight line; NaN where nothing moved.
  public var straightness: Double { sums.displacement / sums.pathLength }
  /// Whether the rates never rose.
  public var isMonotone: Bool { sums.rises == 0 }
}
