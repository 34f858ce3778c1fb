import Datasets
import Execution
import Inference
import Safetensors

/// What a few steps predict for a whole run: time, memory and disk.
public struct RunMeasurement: Sendable {
  /// Steps that were measured.
  public let steps: Int
  /// Seconds of one step with the batch it waits for, the mean.
  public let stepSeconds: Double
  /// Seconds of an evaluation on the fixed set, from the time of a few of its images.
  public let evaluationSeconds: Double
  /// The step that the run resumes from; 0 for a new one.
  public let firstStep: Int
  /// Images of the fixed evaluation set.
  public let evaluationImages: Int
  /// Trained numbers.
  public let parameters: Int
  /// Bytes of all lanes' arenas, and of what they share.
  public let arenaBytes: Int
  /// Bytes of all lanes' gradients.
  public let gradientBytes: Int
  /// Bytes of weights, moments, averages and what diagnostics look back on.
  public let parameterBytes: Int
  /// Bytes of the file to encode with.
  public let modelFileBytes: Int
  /// Bytes of the file to resume from.
  public let stateFileBytes: Int
}

extension TokenizerTrainer {
  /// Takes steps as training does and evaluates a few images, to estimate what a run will take.
  ///
  /// Nothing is saved, and the weights are those of a new run. The first steps touch memory for the
  /// first time and do not count. A request to stop ends it with `DatasetError.stopped`.
  /// - Parameters:
  ///   - steps: the steps that are measured; nil for as many as fit into `seconds`, at least 2.
  ///   - seconds: how long to measure, if `steps` does not say.
  public func measure(
    steps: Int? = nil, seconds: Double = 15, warmup: Int = 1
  ) throws -> RunMeasurement {
    let firstStep = isResuming ? try checkpoint.savedStep() : 0
    try codebookStart.makeFirst()
    let step = makeStep()
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    let clock = ContinuousClock()
    var (measured, total) = (0, 0.0)
    for index in 0... {
      if shouldStop() { throw DatasetError.stopped }
      let began = clock.now
      let outcome = try loader.withBatch(step: index) { step.measure($0) }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      guard index >= warmup else { continue }
      measured += 1
      total += began.duration(to: clock.now) / .seconds(1)
      if let steps {
        if measured >= steps { break }
      } else if measured >= 2, total >= seconds {
        break
      }
    }
    let plan = step.session.plan
    let word = MemoryLayout<Float>.stride
    let lanes = run.training.lanes
    let blocks =
      ParameterBlock.trained + averages.blocks + OptimizationDiagnostics<B>.blocks(run.monitor)
    let parameterWords = parameters.layout.words
    return RunMeasurement(
      steps: measured, stepSeconds: total / Double(max(1, measured)),
      evaluationSeconds: try evaluationSeconds(), firstStep: firstStep,
      evaluationImages: evaluationSet.count, parameters: parameters.layout.count,
      arenaBytes: plan.arenaWords * word * lanes + plan.sharedWords * word,
      gradientBytes: plan.parameters.words * word * lanes,
      parameterBytes: parameterWords * word * blocks.count,
      modelFileBytes: parameters.layout.count * word,
      stateFileBytes: parameters.layout.count * word * blocks.count)
  }

  /// Seconds of an evaluation, from that of a few images.
  private func evaluationSeconds() throws -> Double {
    let few = Array(evaluationSet.images.prefix(2 * run.training.lanes))
    let clock = ContinuousClock()
    let began = clock.now
    _ = try Evaluator.evaluate(few, with: codec)
    let seconds = began.duration(to: clock.now) / .seconds(1)
    return seconds / Double(max(1, few.count)) * Double(evaluationSet.count)
  }
}

extension Checkpoint {
  /// The step of the state to resume from, read without its weights.
  public func savedStep() throws(TrainingError) -> Int {
    guard hasState else { throw .noCheckpoint(folder: folder, missing: Self.stateFile) }
    do {
      let file = try SafetensorsFile(path: path(Self.stateFile))
      guard let step = Self.step(in: file.metadata) else {
        throw TrainingError.damaged(
          file: path(Self.stateFile), reason: "its metadata lack the step")
      }
      return step
    } catch let error as SafetensorsError {
      throw TrainingError(error)
    } catch {
      throw .damaged(file: path(Self.stateFile), reason: String(describing: error))
    }
  }
}

extension TokenizerTrainer {
  /// Makes steps as training does, and measures where their time goes; nothing is saved.
  ///
  /// - Parameters:
  ///   - steps: the steps that are measured.
  ///   - warmup: the steps before, in which memory is touched for the first time.
  public func trace(steps: Int, warmup: Int = 1) throws -> Trace {
    try codebookStart.makeFirst()
    let step = makeStep()
    let loader = makeLoader(firstStep: 0)
    defer { loader.stop() }
    let trace = Trace(
      step.session.plan, lanes: step.session.lanes, threads: step.session.threads)
    let clock = ContinuousClock()
    for index in 0..<(warmup + steps) where !shouldStop() {
      if index == warmup { step.session.trace = trace }
      let began = clock.now
      let outcome = try loader.withBatch(step: index) { batch in
        step.session.trace?.add(.waiting, since: began)
        return step.measure(batch)
      }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      step.session.trace?.addStep(since: began)
    }
    return trace
  }
}
