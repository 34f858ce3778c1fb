/// Watches a run's mean loss beside what theory promises of it.
///
/// Fed once a step with numbers that the trainer measures around its update
/// `theta_{t+1} = theta_t - eta_t u_t`. It keeps sums, and a ``StepHistory`` of rates and gradient norms,
/// which bounds of the last iterate need. What it promises by them is in
/// `AverageLossBounds.swift`, and holds under the conditions of ``GuaranteeLabel`` only. Sums are in
/// double precision. Su, "Convergence of SGD", kexue.fm 9902, 11469, 11480, 11494, 11530.
public struct AverageLossMonitor: Sendable, Equatable {
  /// What was measured at step `t`.
  public struct Observation: Sendable, Equatable {
    /// `l_t`, the batch's loss before the update, of which `g_t` is the gradient.
    public var loss: Double
    /// `eta_t`.
    public var learningRate: Double
    /// `|g_t|`, before clipping.
    public var gradientNorm: Double
    /// `|theta_{t+1} - theta_t|^2`.
    public var motionSquared: Double
    /// `<theta_t - theta_{t+1}, theta_t>`.
    public var motionDotIterate: Double
    /// `|theta_{t+1} - theta_1|`.
    public var displacement: Double

    /// The numbers, one by one.
    public init(
      loss: Double, learningRate: Double, gradientNorm: Double, motionSquared: Double,
      motionDotIterate: Double, displacement: Double
    ) {
      self.loss = loss
      self.learningRate = learningRate
      self.gradientNorm = gradientNorm
      self.motionSquared = motionSquared
      self.motionDotIterate = motionDotIterate
      self.displacement = displacement
    }
  }

  /// The part of the past that ``smoothedLoss`` keeps each step.
  public static let smoothing = 0.99
  /// Gradients shorter than this are not in ``sumOfInverseGradients``.
  public static let leastGradient = 1e-12

  /// The rates and gradient norms.
  public internal(set) var history = StepHistory()
  /// The mean loss at the steps 1, 2, 4, 8, ...
  public internal(set) var dyadicMeans: [Double] = []
  var sums = Sums()

  /// Everything that is a number a run.
  struct Sums: Sendable, Equatable {
    var loss = 0.0
    var weightedLoss = 0.0
    var smoothedLoss = 0.0
    // smoothing^t
    var smoothingPower = 1.0
    var leastLoss = Double.infinity
    var rates = 0.0
    var squaredRates = 0.0
    // sum eta |g|^2 and sum eta^2 |g|^2
    var rateGradients = 0.0
    var squaredSteps = 0.0
    var squaredGradients = 0.0
    var inverseGradients = 0.0
    var largestGradient = 0.0
    var pathLength = 0.0
    var squaredMotion = 0.0
    var motionDotIterate = 0.0
    var displacement = 0.0
    var largestDisplacement = 0.0
    // 0 or 1
    var rises = 0.0
  }

  /// No steps yet.
  public init() {}

  /// Steps that were recorded, `T`.
  public var steps: Int { history.steps }

  /// The learning rate of each step, or of each entry of the history of a long run.
  public var rates: [Double] { history.rates }
  /// The gradient's norm at each step, or at the first one of each entry.
  public var gradientNorms: [Double] { history.norms }

  /// Takes in a step; each one once, in order.
  public mutating func record(_ step: Observation) {
    let (rate, norm) = (step.learningRate, step.gradientNorm)
    if let last = history.lastRate, rate > last { sums.rises = 1 }
    history.record(rate: rate, norm: norm)
    recordLoss(step.loss, rate: rate)
    sums.rates += rate
    sums.squaredRates += rate * rate
    sums.rateGradients += rate * norm * norm
    sums.squaredSteps += rate * norm * (rate * norm)
    sums.squaredGradients += norm * norm
    if norm >= Self.leastGradient { sums.inverseGradients += 1 / (norm * norm) }
    sums.largestGradient = max(sums.largestGradient, norm)
    sums.pathLength += step.motionSquared.squareRoot()
    sums.squaredMotion += step.motionSquared
    sums.motionDotIterate += step.motionDotIterate
    sums.displacement = step.displacement
    sums.largestDisplacement = max(sums.largestDisplacement, step.displacement)
  }

  private mutating func recordLoss(_ loss: Double, rate: Double) {
    sums.loss += loss
    sums.weightedLoss += rate * loss
    sums.smoothedLoss = Self.smoothing * sums.smoothedLoss + (1 - Self.smoothing) * loss
    sums.smoothingPower *= Self.smoothing
    sums.leastLoss = min(sums.leastLoss, loss)
    if steps.nonzeroBitCount == 1 { dyadicMeans.append(sums.loss / Double(steps)) }
  }
}
