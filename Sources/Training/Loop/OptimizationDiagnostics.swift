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
