import Configuration
import Datasets
import Diagnostics
import Evaluation
import Execution
import Tokenizers

/// The diagnostics of a run between evaluations: asks each update for numbers, and writes lines of
/// the log from them.
///
/// Diagnostics that are off are not computed.
final class RunMonitor<B: Backend> {
  private let run: RunConfiguration
  private let parameters: ParameterMemory<B>
  private let averages: IterateAverages<B>
  private var averageLoss: AverageLossFollower?
  private var cosines: CosineWatch?
  private var window: CodeWindow
  /// One a depth of the tokens: another depth's codes do not make up for one that collapses.
  private var watches: [CodebookWatch]
  private var divergence: LossWatch
  // Codes that were replaced since the last diagnosis; nil where none ever is.
  private var revived: Int?
  private let probe: QuantizerProbe?
  private let quantizer: QuantizerDiagnosis

  /// Begins with the weights in memory, or goes on from what a checkpoint holds, whose blocks are in
  /// memory too; what that lacks begins here.
  ///
  /// - Parameter step: updates that were made before.
  init(
    _ run: RunConfiguration, after step: Int, extras: Checkpoint.StateExtras,
    parameters: ParameterMemory<B>, averages: IterateAverages<B>
  ) {
    self.run = run
    self.parameters = parameters
    self.averages = averages
    let (monitor, numbers) = (run.monitor, extras.numbers)
    let codes = run.quantizer.codebookSize
    if monitor.averageLoss {
      averageLoss =
        extras.blocks.contains(.origin) ? AverageLossFollower(restoring: numbers, run) : nil
      if averageLoss == nil {
        averageLoss = AverageLossFollower(after: step, run, parameters: parameters)
      }
    }
    if monitor.cosines {
      cosines = CosineWatch(
        parameters.layout, state: numbers["cosines"] ?? [],
        keptStep: extras.blocks.contains(.previousGradient) ? step : nil)
    }
    window =
      CodeWindow(codes: codes, state: numbers) ?? CodeWindow(codes: codes)
    watches = Self.watchNames(depth: run.quantizer.depth).map { name in
      numbers[name].flatMap { CodebookWatch(state: $0) } ?? CodebookWatch()
    }
    if run.quantizer.upkeep?.reviveEvery ?? 0 > 0 {
      revived = numbers["revived"]?.first.flatMap { Int(exactly: $0) } ?? 0
    }
    divergence = numbers["lossWatch"].flatMap { LossWatch(state: $0) } ?? LossWatch()
    let side = run.data.imageSize / run.model.downsampling
    probe =
      monitor.quantizer
      ? QuantizerProbe(
        tokens: run.training.batchSize * side * side, dimension: run.quantizer.codeDimension) : nil
    quantizer = QuantizerDiagnosis(configuration: run.quantizer)
  }

  // MARK: A step, counted from 1

  /// Whether a step is diagnosed: every so many, and the last.
  func diagnoses(_ step: Int) -> Bool {
    step.isMultiple(of: run.monitor.diagnoseEvery) || step == run.training.steps
  }

  /// Collects the quantizer's vectors and gradients at diagnosed steps.
  func probe(at step: Int) -> QuantizerProbe? {
    diagnoses(step) && !isDeferred(step) ? probe : nil
  }

  /// Whether the loss is to be measured again after the update: what is measured then is quantized.
  func measuresDecrease(at step: Int) -> Bool {
    run.monitor.decrease && diagnoses(step) && !isDeferred(step)
  }

  /// Whether quantization is deferred in a step.
  private func isDeferred(_ step: Int) -> Bool { step <= run.training.deferQuantization }

  /// Sets what an update is to measure and keep.
  func ask(_ request: inout UpdateRequest, step: Int, learningRate: Double) {
    averages.ask(
      &request, step: step, learningRate: learningRate, areRead: readsAverages(after: step))
    request.measuresMotion = averageLoss != nil
    let diagnoses = diagnoses(step)
    request.measuresDirections = diagnoses && (cosines != nil || run.monitor.decrease)
    request.comparesGradients = diagnoses && cosines?.keptStep == step - 1
    request.keepsGradient = cosines != nil && self.diagnoses(step + 1)
    if request.keepsGradient { cosines?.keptStep = step }
  }

  /// Whether the averages are looked at between a step and the next one, or changed with the codebook.
  private func readsAverages(after step: Int) -> Bool {
    let every = [
      run.monitor.diagnoseEvery, run.monitor.evaluateEvery, run.monitor.checkpointEvery,
      run.quantizer.upkeep?.reviveEvery ?? 0,
    ]
    return step == run.training.steps || step == run.training.deferQuantization
      || every.contains { $0 > 0 && step.isMultiple(of: $0) }
  }

  /// Takes in a step.
  ///
  /// - Parameters:
  ///   - tokens: how often codes were used; nil where quantization is deferred.
  ///   - lossAfter: the loss of the same batch after the update, where it was measured.
  func record(
    _ outcome: TrainingStep<B>.Outcome, _ tokens: DepthUsage?, _ update: UpdateMeasurement,
    step: Int, learningRate: Double, lossAfter: Double?
  ) {
    averageLoss?.record(
      loss: outcome.loss, rate: learningRate, gradientNorm: outcome.gradientNorm, update)
    if let tokens {
      window.add(tokens.pooled)
      for (depth, usage) in tokens.depths.enumerated() {
        watches[depth].record(step: step, used: usage.used, ids: usage.ids, codes: usage.codes)
      }
    }
    divergence.record(step: step, loss: outcome.loss)
    if diagnoses(step) {
      cosines?.record(
        update, decrease: lossAfter.map { outcome.loss - $0 })
    }
  }

  /// Takes in how many codes were replaced after a step.
  func record(revived count: Int) { revived? += count }

  /// The current warning.
  var warning: String? {
    for (depth, watch) in watches.enumerated() {
      if let warning = watch.warning {
        return watches.count > 1 ? warning + " at depth \(depth + 1) of \(watches.count)" : warning
      }
    }
    return divergence.warning
  }

  /// The names of the watches in a checkpoint.
  private static func watchNames(depth: Int) -> [String] {
    depth == 1 ? ["codebookWatch"] : (0..<depth).map { "codebookWatch.\($0)" }
  }

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
    extras.numbers.merge(window.state) { $1 }
    for (name, watch) in zip(Self.watchNames(depth: watches.count), watches) {
      extras.numbers[name] = watch.state
    }
    extras.numbers["lossWatch"] = divergence.state
    if let revived { extras.numbers["revived"] = [Double(revived)] }
    return extras
  }

  // MARK: The log

  /// How often codes were used since the last diagnosis.
  var usage: CodebookUsage { window.usage }

  /// The line before the first step: tensor names, in the order of the lists.
  var firstLines: [JSONObject] { cosines.map { [$0.namesLine] } ?? [] }

  /// The lines of a step that is diagnosed, but for that of the average loss.
  func lines(step: Int) -> [JSONObject] {
    var lines: [JSONObject] = []
    if !isDeferred(step) {
      if run.monitor.quantizer {
        lines.append(quantizer.codes(window, probe!, revived: revived, step: step))
        lines.append(quantizer.quantizer(probe!, step: step))
      }
      window.close()
      if revived != nil { revived = 0 }
    }
    if let cosines { lines.append(cosines.line(step: step)) }
    return lines
  }

  /// The line of the average loss of a step that is diagnosed, which takes in the step's evaluation.
  func averageLossLine(step: Int, leastEvaluation: Double?) -> JSONObject? {
    averageLoss?.line(
      step: step, isLast: step == run.training.steps, leastEvaluation: leastEvaluation,
      averages: averages, parameters: parameters)
  }
}
