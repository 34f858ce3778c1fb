import Files
import Autodiff
import Configuration
import Diagnostics
import Execution

/// The diagnostics of the optimization: the average loss and its bounds, cosines of updates and
/// gradients, the measured decrease of the loss, and whether the loss diverges.
///
/// They know nothing of what is trained. Diagnostics that are off are not computed.
final class OptimizationDiagnostics<B: Backend> {
  private let monitor: MonitorConfiguration
  private let steps: Int
  private let parameters: ParameterMemory<B>
  private let averages: IterateAverages<B>
  private var averageLoss: AverageLossFollower?
  private var cosines: CosineWatch?
  private var divergence: LossWatch

  /// Begins with the weights in memory, or goes on from what a checkpoint holds, whose blocks are in
  /// memory too; what that lacks begins here.
  ///
  /// - Parameters:
  ///   - outside: what moves weights beside the optimizer.
  ///   - module: the part of the model that a tensor belongs to.
  ///   - step: updates that were made before.
  init(
    _ monitor: MonitorConfiguration, _ training: TrainingConfiguration,
    outside: OutsideOptimizer, module: (String) -> String,
    after step: Int, extras: Checkpoint.StateExtras, parameters: ParameterMemory<B>,
    averages: IterateAverages<B>
  ) {
    self.monitor = monitor
    self.parameters = parameters
    self.averages = averages
    steps = training.steps
    let numbers = extras.numbers
    if monitor.averageLoss {
      averageLoss =
        extras.blocks.contains(.origin)
        ? AverageLossFollower(restoring: numbers, training, outside) : nil
      if averageLoss == nil {
        averageLoss = AverageLossFollower(after: step, training, outside, parameters: parameters)
      }
    }
    if monitor.cosines {
      cosines = CosineWatch(
        parameters.layout, module: module, state: numbers["cosines"] ?? [],
        keptStep: extras.blocks.contains(.previousGradient) ? step : nil)
    }
    divergence = numbers["lossWatch"].flatMap { LossWatch(state: $0) } ?? LossWatch()
  }

  // MARK: A step, counted from 1

  /// Whether a step is diagnosed: every so many, and the last.
  func areDue(at step: Int) -> Bool {
    step.isMultiple(of: monitor.diagnoseEvery) || step == steps
  }

  /// Whether the loss of the batch is to be measured again after the update.
  func measureDecrease(at step: Int) -> Bool { monitor.decrease && areDue(at: step) }

  /// Sets what an update is to measure and keep.
  func ask(_ request: inout UpdateRequest, step: Int) {
    request.measuresMotion = averageLoss != nil
    let isDue = areDue(at: step)
    request.measuresDirections = isDue && (cosines != nil || monitor.decrease)
    request.comparesGradients = isDue && cosines?.keptStep == step - 1
    request.keepsGradient = cosines != nil && areDue(at: step + 1)
    if request.keepsGradient { cosines?.keptStep = step }
  }

  /// Takes in a step.
  ///
  /// - Parameter lossAfter: the loss of the same batch after the update, where it was measured.
  func record(
    _ outcome: TrainingStep<B>.Outcome, _ update: UpdateMeasurement, step: Int,
    learningRate: Double, lossAfter: Double?
  ) {
    averageLoss?.record(
      loss: outcome.loss, rate: learningRate, gradientNorm: outcome.gradientNorm, update)
    divergence.record(step: step, loss: outcome.loss)
    if areDue(at: step) {
      cosines?.record(update, decrease: lossAfter.map { outcome.loss - $0 })
    }
  }

  /// The current warning.
  var warning: String? { divergence.warning }

  // MARK: Checkpoints

  /// The blocks that a continuation may need beside the weights.
  static func blocks(_ monitor: MonitorConfiguration) -> [ParameterBlock] {
    (monitor.averageLoss ? [.origin] : []) + (monitor.cosines ? [.previousGradient] : [])
  }

  /// State for a resume.
  func extras(after step: Int) -> Checkpoint.StateExtras {
    var extras = Checkpoint.StateExtras()
    if let averageLoss {
      extras.blocks.append(.origin)
      extras.numbers.merge(averageLoss.numbers) { $1 }
    }
    if let cosines {
      extras.numbers["cosines"] = cosines.state
      if cosines.keptStep == step { extras.blocks.append(.previousGradient) }
    }
    extras.numbers["lossWatch"] = divergence.state
    return extras
  }

  // MARK: The log

  /// The lines before the first step: tensor names, in the order of the lists.
  var firstLines: [JSONObject] { cosines.map { [$0.namesLine] } ?? [] }

  /// The lines of a step that is diagnosed, but for that of the average loss.
  func lines(step: Int) -> [JSONObject] { cosines.map { [$0.line(step: step)] } ?? [] }

  /// The line of the average loss of a step that is diagnosed, which takes in the step's evaluation.
  func averageLossLine(step: Int, leastEvaluation: Double?) -> JSONObject? {
    guard areDue(at: step) else { return nil }
    return averageLoss?.line(
      step: step, isLast: step == steps, leastEvaluation: leastEvaluation,
      averages: averages, parameters: parameters)
  }
}

/// Cosines between updates and gradients, and between successive gradients, by tensor, by module
/// and over all, at the steps that are diagnosed.
struct CosineWatch {
  /// The step whose gradient is kept for the next, if any is.
  var keptStep: Int?

  private let trained: [Int]
  private let names: [String]
  private let modules: [String]
  private var successive: SuccessiveGradients
  // What the last diagnosis found.
  private var cosines = NestedCosines(tensors: [], modules: [])
  private var successiveCosines: [Double?] = []
  private var decrease: Double?

  /// A watch over parameters, with the state of an earlier part of the run, or an empty one.
  ///
  /// - Parameters:
  ///   - module: the part of the model that a tensor belongs to.
  ///   - keptStep: the step whose gradient is in memory.
  init(_ layout: ParameterLayout, module: (String) -> String, state: [Double], keptStep: Int?) {
    trained = layout.parameters.indices.filter { layout.parameters[$0].isTrained }
    names = trained.map { layout.parameters[$0].name }
    modules = names.map(module)
    self.keptStep = keptStep
    let empty = SuccessiveGradients()
    successive = SuccessiveGradients(window: empty.window, state: state) ?? empty
  }

  /// Takes in a step that is diagnosed.
  ///
  /// - Parameter decrease: by how much the batch's loss fell, where it was measured.
  mutating func record(_ update: UpdateMeasurement, decrease: Double?) {
    let directions = trained.map { update.directions[$0] }
    cosines = NestedCosines(
      tensors: directions.map {
        .init(updateSquared: $0.motion, gradientSquared: $0.gradient, product: $0.product)
      }, modules: modules)
    self.decrease = decrease
    let pairs = directions.map {
      DirectionCosines.Sums(
        updateSquared: $0.keptGradient, gradientSquared: $0.gradient, product: $0.keptProduct)
    }
    successiveCosines = pairs.map(\.cosine)
    if let cosine = pairs.reduce(DirectionCosines.Sums(), +).cosine { successive.record(cosine) }
  }

  /// The numbers that a continuation needs.
  var state: [Double] { successive.state }

  // MARK: The log

  /// The line that names the tensors: `kind` is "tensors".
  var namesLine: JSONObject {
    JSONObject([
      "kind": .string("tensors"), "step": .integer(0),
      "names": .array(names.map(JSONValue.string)),
      "modules": .array(modules.map(JSONValue.string)),
    ])
  }

  /// The line of the last diagnosis: `kind` is "cosines".
  func line(step: Int) -> JSONObject {
    var line = JSONObject(["kind": .string("cosines"), "step": .integer(step)])
    let tensors = cosines.tensors
    line.add("cosine", tensors.global)
    line.add("kappa", tensors.kappa)
    line.add("localMean", tensors.localMean)
    line["zeroTensors"] = .integer(tensors.zeroGroups)
    let reversals = CosineReversals(tensors)
    line.add("margin", reversals.margin)
    if !reversals.names.isEmpty {
      line["simpson"] = .array(reversals.names.map(JSONValue.string))
    }
    line.add("predictedDecrease", tensors.predictedDecrease)
    line.add(
      "decreaseRatio",
      decrease.flatMap {
        AverageLossMonitor.localConvexity(
          measuredDecrease: $0, predictedDecrease: tensors.predictedDecrease)
      })
    line.add("successiveCosine", successive.last)
    line.add("noiseRatio", successive.noiseRatio)
    line["modules"] = .object(modulesObject)
    line["tensorCosines"] = .digits(tensors.locals)
    line["tensorUpdateShares"] = .digits(tensors.updateShares)
    line["tensorGradientShares"] = .digits(tensors.gradientShares)
    line["tensorDecreaseShares"] = .digits(tensors.decreaseShares)
    if successiveCosines.contains(where: { $0 != nil }) {
      line["tensorSuccessiveCosines"] = .digits(successiveCosines)
    }
    return line
  }

  private var modulesObject: JSONObject {
    var object = JSONObject()
    for (index, name) in cosines.names.enumerated() {
      var module = JSONObject()
      module.add("cosine", cosines.within[index].global)
      module.add("kappa", cosines.within[index].kappa)
      module.add("localMean", cosines.within[index].localMean)
      module.add("updateShare", cosines.modules.updateShares[index])
      module.add("gradientShare", cosines.modules.gradientShares[index])
      module.add("decreaseShare", cosines.modules.decreaseShares[index])
      object[name] = .object(module)
    }
    return object
  }
}
