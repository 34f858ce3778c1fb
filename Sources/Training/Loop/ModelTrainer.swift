import Configuration
import Execution
import Files

/// What trains any model into a folder: ``TrainingLoop`` with nothing between its steps but what the
/// caller gives.
///
/// A tokenizer has more to it, and its own: ``TokenizerTrainer``.
package final class ModelTrainer<B: Backend, Model: TrainableModel> {
  private let run: ModelRunConfiguration
  private let steps: PlannedSteps<B, Model>
  private let checkpoint: Checkpoint
  private let isResuming: Bool
  private let heldLock: FolderLock?
  private let observer: any RunObserver
  private let shouldStop: () -> Bool

  /// A run that begins with the weights in memory, or goes on from the state in a folder.
  ///
  /// - Parameters:
  ///   - run: the configuration that the folder records; its lanes are chosen.
  ///   - steps: the model's planned steps, with the weights that they share.
  ///   - lock: the folder's lock, where the caller has it; else the run takes it.
  package init(
    _ run: ModelRunConfiguration, _ steps: PlannedSteps<B, Model>, folder: String,
    isResuming: Bool, lock: FolderLock? = nil, observer: any RunObserver,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.run = run
    self.steps = steps
    checkpoint = Checkpoint(folder: folder)
    self.isResuming = isResuming
    heldLock = lock
    self.observer = observer
    self.shouldStop = shouldStop
  }

  /// Trains; likewise ``TokenizerTrainer/train()``.
  ///
  /// - Parameters:
  ///   - source: the batches.
  ///   - evaluation: how the weights are judged; nil for not at all.
  ///   - callbacks: what comes between steps.
  package func train(
    on source: any BatchSource, evaluation: (any ModelEvaluation)? = nil,
    callbacks: [any TrainingCallback] = []
  ) throws -> RunEnd {
    defer { source.stop() }
    let parameters = steps.lender.parameters
    let averages = IterateAverages(run.training, parameters: parameters)
    let store = RunStore(
      checkpoint, parameters, averages, observer: observer,
      learningRate: run.training.optimizer.learningRate)
    let lock = try heldLock ?? store.lock(resuming: isResuming)
    defer { lock.release() }
    let (progress, extras) =
      isResuming
      ? try store.resume(
        run, .model, steps: run.training.steps,
        blocks: OptimizationDiagnostics<B>.blocks(run.monitor), mayChange: false)
      : (try store.begin(run, Checkpoint.Progress(trainingSet: "")), Checkpoint.StateExtras())
    let loop = try TrainingLoop(
      steps, run.training, run.monitor, store: store, progress: progress, extras: extras,
      isResuming: isResuming,
      line: RunLine(
        step: progress.step, threads: steps.lender.threads, lanes: run.training.lanes,
        changes: store.changes),
      .init(
        source: source, callbacks: callbacks, evaluation: evaluation, observer: observer,
        shouldStop: shouldStop))
    return try loop.run()
  }
}

/// Evaluates a model by its loss on batches that no step trains on.
package final class HeldOutBatches<B: Backend>: ModelEvaluation {
  private let forward: ForwardPass<B>
  private let source: any BatchSource
  private let batches: Int
  private let items: String
  private let tell: (_ step: Int, HeldOutLoss) -> Void

  /// Evaluates on the first batches of a source.
  ///
  /// - Parameters:
  ///   - items: what an item is, in the plural.
  ///   - tell: called with the result of each evaluation.
  package init(
    _ forward: ForwardPass<B>, on source: any BatchSource, batches: Int = 1, items: String,
    tell: @escaping (_ step: Int, HeldOutLoss) -> Void = { _, _ in }
  ) {
    precondition(batches > 0, "an evaluation has a batch")
    (self.forward, self.source, self.batches) = (forward, source, batches)
    (self.items, self.tell) = (items, tell)
  }

  package func canEvaluate(after step: Int) -> Bool { true }

  package func evaluate(_ request: EvaluationRequest) throws -> Evaluation {
    let result = try heldOutLoss()
    var line = JSONObject([
      "kind": .string("evaluation"), "step": .integer(request.step),
      items: .integer(heldOutItems), "weights": .string(request.weights),
    ])
    line.add("loss", result.loss)
    for (name, value) in result.statistics.sorted(by: { $0.key < $1.key }) {
      line.add(name, value)
    }
    line["seconds"] = .number(request.seconds)
    return Evaluation(
      value: -result.loss, line: line, tell: { [tell] in tell(request.step, result) })
  }

  package func heldOutLoss() throws -> HeldOutLoss {
    var (loss, statistics) = (0.0, [String: Double]())
    for batch in 0..<batches {
      let result = try source.withBatch(step: batch) { forward.measure($0) }
      loss += result.loss / Double(batches)
      for (name, value) in result.statistics {
        statistics[name, default: 0] += value / Double(batches)
      }
    }
    return HeldOutLoss(loss: loss, statistics: statistics)
  }

  package var heldOutItems: Int { batches * forward.items }
  package var measure: Double { 2 }
  package var keepsBest: Bool { false }
}
