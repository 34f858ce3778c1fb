import Foundation

/// Watches a run's mean loss beside what theory promises of it.
///
/// Fed once a step with numbers that the trainer measures around its update
/// `theta_{t+1} = theta_t - eta_t u_t`. It keeps sums, and a ``StepHistory`` of rates and gradient norms,
/// which bounds of the last iterate need. The bounds below hold under the conditions of
/// ``GuaranteeLabel`` only. Sums are in double precision. Su, "Convergence of SGD", kexue.fm 9902, 11469, 11480, 11494, 11530.
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

// MARK: - Bounds

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

/// Regret against any point `phi`, linear in the iterates.
extension AverageLossMonitor {
  /// A_T, `sum <theta_t - theta_{t+1}, theta_t>`.
  public var sumOfMotionDotIterate: Double { sums.motionDotIterate }

  /// `sum eta_t <u_t, theta_t - phi> = A_T - <phi, theta_1 - theta_{T+1}>`.
  ///
  /// For plain gradient descent on convex losses no less than `sum eta_t (l_t(theta_t) - l_t(phi))`.
  /// - Parameter product: `<phi, theta_1 - theta_{T+1}>`.
  public func linearRegret(product: Double) -> Double { sums.motionDotIterate - product }

  /// How far the regret is from where geometry says it is, in units of the largest part: rounding alone.
  ///
  /// `2 sum eta_t <u_t, theta_t - phi> = |theta_1 - phi|^2 - |theta_{T+1} - phi|^2 + sum |theta_{t+1} - theta_t|^2`
  /// holds for any updates, losses and `phi`: more than some 1e-5 in single precision means that what is
  /// measured is not what is applied.
  /// - Parameters:
  ///   - product: `<phi, theta_1 - theta_{T+1}>`.
  ///   - firstSquared: `|theta_1 - phi|^2`.
  ///   - lastSquared: `|theta_{T+1} - phi|^2`.
  public func identityResidual(
    product: Double, firstSquared: Double, lastSquared: Double
  ) -> Double {
    let geometry = (firstSquared - lastSquared + sums.squaredMotion) / 2
    let parts = [
      sums.motionDotIterate, product, firstSquared / 2, lastSquared / 2, sums.squaredMotion / 2,
    ]
    let scale = parts.reduce(0) { max($0, $1.magnitude) }
    let difference = (linearRegret(product: product) - geometry).magnitude
    return scale > 0 ? difference / scale : difference
  }

  /// How a step's true gain compares to what its gradient promised, on the same batch.
  ///
  /// `rho = (l_t(theta_t) - l_t(theta_{t+1})) / <theta_t - theta_{t+1}, g_t>`. Where the loss is convex
  /// it is at most 1; above, it curves downwards along the step; below 0 the step went too far.
  /// nil where nothing was promised.
  public static func localConvexity(
    measuredDecrease: Double, predictedDecrease: Double
  ) -> Double? {
    predictedDecrease == 0 ? nil : measuredDecrease / predictedDecrease
  }
}

// MARK: - Decay of the loss

/// The power law `m(T) = L_inf + c T^-p` through three mean losses at `T`, `2T` and `4T`.
///
/// Theory lets `p` be 1/2 for the mean loss of convex problems. Aitken's extrapolation.
public struct LossDecay: Sendable, Equatable {
  /// `p = log2((m1 - m2) / (m2 - m4))`.
  public let exponent: Double
  /// `L_inf = (m4 m1 - m2^2) / (m1 + m4 - 2 m2)`, where the mean comes to; nil for `p <= 0`, by which it
  /// comes to nothing.
  public let limit: Double?

  /// Nil unless the mean loss fell twice.
  public init?(_ first: Double, _ second: Double, _ fourth: Double) {
    let (early, late) = (first - second, second - fourth)
    guard early > 0, late > 0 else { return nil }
    exponent = log2(early / late)
    // The same as the formula above, but it does not subtract large products.
    limit = early > late ? fourth - late * late / (early - late) : nil
  }
}

extension AverageLossMonitor {
  /// The power law through the last three mean losses at powers of two; nil where there are none, or
  /// the mean loss rose.
  public var lossDecay: LossDecay? {
    guard dyadicMeans.count >= 3 else { return nil }
    let last = dyadicMeans.suffix(3)
    return LossDecay(last[last.startIndex], last[last.startIndex + 1], last[last.startIndex + 2])
  }

  /// The exponent `p` with which the mean loss falls.
  public var decayExponent: Double? { lossDecay?.exponent }

  /// Where the mean loss comes to, by ``lossDecay``; nil also where that is below zero though no loss was.
  public var lossLimit: Double? {
    guard let limit = lossDecay?.limit, limit.isFinite, limit >= 0 || leastLoss < 0 else {
      return nil
    }
    return limit
  }
}

// MARK: - Checkpoints

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
