import Files
import Configuration
import Diagnostics
import Execution

/// Follows the average loss of a run, and holds it against the bounds of convex theory.
///
/// It begins at the first step, or where a run is resumed whose checkpoint knows nothing of it: the
/// theory holds from any start.
struct AverageLossFollower {
  private(set) var monitor = AverageLossMonitor()
  /// The step before the first one that was followed.
  private var begin: Int
  // |theta_t|^2 before the next update.
  private var length: Double
  private let label: GuaranteeLabel
  /// Whether weights that the optimizer trains are replaced between steps: then what updates add up to
  /// is not where the weights are.
  private let replacesWeights: Bool

  /// Begins with the weights in memory, of which it keeps a copy.
  init<B: Backend>(
    after step: Int, _ training: TrainingConfiguration, _ outside: OutsideOptimizer,
    parameters: ParameterMemory<B>
  ) {
    begin = step
    label = GuaranteeLabel(training, outside)
    replacesWeights = outside.contains(.replacesTrained)
    parameters.copy(.values, to: .origin)
    length = parameters.innerProduct(.values, .values)
  }

  /// Takes in a step.
  mutating func record(
    loss: Double, rate: Double, gradientNorm: Double, _ update: UpdateMeasurement
  ) {
    // |theta_(t+1)|^2 = |theta_t|^2 - 2 <d, theta_t> + |d|^2.
    monitor.record(
      .init(
        loss: loss, learningRate: rate, gradientNorm: gradientNorm, motionSquared: update.motion,
        motionDotIterate: (length - update.length + update.motion) / 2,
        displacement: update.displacement.squareRoot()))
    length = update.length
  }

  // MARK: The log

  /// The log's line: `kind` is "averageLoss".
  ///
  /// - Parameters:
  ///   - isLast: whether the planned run ends here, so that bounds of its end speak of these weights.
  ///   - leastEvaluation: the least held-out loss, if any was measured.
  func line<B: Backend>(
    step: Int, isLast: Bool, leastEvaluation: Double?, averages: IterateAverages<B>,
    parameters: ParameterMemory<B>
  ) -> JSONObject {
    var line = JSONObject([
      "kind": .string("averageLoss"), "step": .integer(step), "since": .integer(begin + 1),
      "label": .string(label.label), "because": .array(label.because.map(JSONValue.string)),
    ])
    line.add("meanLoss", monitor.meanLoss)
    line.add("weightedMeanLoss", monitor.weightedMeanLoss)
    line.add("smoothedLoss", monitor.smoothedLoss)
    line.add("gradientMax", monitor.gradientMax)
    line.add("gradientRMS", monitor.gradientRMS)
    line.add("gradientP95", monitor.gradientP95)
    line.add("displacement", monitor.displacement)
    line.add("displacementMax", monitor.displacementMax)
    line.add("pathLength", monitor.pathLength)
    line.add("straightness", monitor.straightness)
    line["monotone"] = .flag(monitor.isMonotone)
    addBounds(to: &line, isLast: isLast, averages)
    addGap(to: &line, leastEvaluation: leastEvaluation, averages)
    line.add("decayExponent", monitor.decayExponent)
    line.add("lossLimit", monitor.lossLimit)
    if !replacesWeights { addRegret(to: &line, averages, parameters) }
    return line
  }

  /// Proxies for the unknown distance to a minimiser: the distance to the average of
  /// the iterates, where one of all of them is kept, and to the farthest iterate.
  private func radii<B: Backend>(_ averages: IterateAverages<B>) -> [(name: String, radius: Double)]
  {
    var radii = [("max", monitor.displacementMax)]
    if let kind = averages.kinds.first(where: { $0 == .uniform || $0 == .rateWeighted }) {
      radii.insert(("average", averages.squaredDistance(of: kind, to: .origin).squareRoot()), at: 0)
    }
    return radii
  }

  private func addBounds<B: Backend>(
    to line: inout JSONObject, isLast: Bool, _ averages: IterateAverages<B>
  ) {
    let radii = radii(averages)
    func add(_ name: String, _ bound: (Double) -> Double?) {
      var object = JSONObject()
      for (name, radius) in radii { object.add(name, bound(radius)) }
      if !object.keys.isEmpty { line[name] = .object(object) }
    }
    for (name, radius) in radii {
      line.add(name == "average" ? "radiusAverage" : "radiusMax", radius)
    }
    add("bound1") { monitor.meanLossBound(diameter: monitor.diameter(radius: $0)) }
    add("bound2") { monitor.weightedMeanLossBound(radius: $0) }
    let radius = radii[0].radius
    line.add("bestConstantBound", monitor.bestConstantBound(radius: radius))
    line.add("rateRatio", monitor.rateRatio(radius: radius))
    guard isLast else { return }
    add("bound4") { monitor.lastIterateBound(radius: $0) }
    add("bound6") { monitor.linearDecayBound(radius: $0) }
  }

  private func addGap<B: Backend>(
    to line: inout JSONObject, leastEvaluation: Double?, _ averages: IterateAverages<B>
  ) {
    let reference: AverageLossMonitor.Reference =
      leastEvaluation.map { .evaluation($0) } ?? (monitor.lossLimit != nil ? .limit : .zero)
    line["reference"] = .string(reference.name)
    line.add("gap", monitor.gap(above: reference))
    let radius = radii(averages)[0].radius
    func add(_ name: String, _ gap: Double?, _ bound: Double) {
      guard let gap, bound.isFinite else { return }
      line.add(name, AverageLossMonitor.slackRatio(gap: gap, bound: bound))
    }
    add(
      "slack1", monitor.gap(above: reference),
      monitor.meanLossBound(diameter: monitor.diameter(radius: radius)))
    add(
      "slack2", monitor.weightedGap(above: reference), monitor.weightedMeanLossBound(radius: radius)
    )
  }

  /// The linear regret against an average, or else the first weights, and how well the identity of
  /// the regret holds.
  private func addRegret<B: Backend>(
    to line: inout JSONObject, _ averages: IterateAverages<B>, _ parameters: ParameterMemory<B>
  ) {
    let kind = averages.kinds.first { $0 == .uniform || $0 == .rateWeighted }
    let phi: ParameterBlock = kind.map { averages.blocks(of: $0).average } ?? .origin
    let product =
      parameters.innerProduct(phi, .origin) - parameters.innerProduct(phi, .values)
    line.add("linearRegret", monitor.linearRegret(product: product))
    line.add(
      "identityResidual",
      monitor.identityResidual(
        product: product, firstSquared: parameters.squaredDistance(phi, .origin),
        lastSquared: parameters.squaredDistance(phi, .values)))
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs.
  var numbers: [String: [Double]] {
    ["averageLoss": monitor.state, "averageLoss.begin": [Double(begin), length]]
  }

  /// Goes on from the numbers of a checkpoint, whose `origin` is in memory.
  init?(
    restoring numbers: [String: [Double]], _ training: TrainingConfiguration,
    _ outside: OutsideOptimizer
  ) {
    guard let state = numbers["averageLoss"], let monitor = AverageLossMonitor(state: state),
      let rest = numbers["averageLoss.begin"], rest.count == 2,
      let begin = Int(exactly: rest[0]), begin >= 0
    else { return nil }
    self.monitor = monitor
    self.begin = begin
    length = rest[1]
    label = GuaranteeLabel(training, outside)
    replacesWeights = outside.contains(.replacesTrained)
  }
}

extension GuaranteeLabel {
  /// Whether the bounds are theorems for a run: never for a network, whose loss is not convex.
  fileprivate init(_ training: TrainingConfiguration, _ outside: OutsideOptimizer) {
    var (plain, decays) = (false, false)
    switch training.optimizer {
    case .sgd(let sgd): (plain, decays) = (sgd.momentum == 0, sgd.weightDecay > 0)
    case .adamw(let adam): decays = adam.weightDecay > 0
    case .adam: break
    }
    self.init(
      plainGradientDescent: plain, convex: false, clipped: training.gradientClip > 0,
      weightDecay: decays, codebookOutsideOptimizer: !outside.isEmpty)
  }
}
