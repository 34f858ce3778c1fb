import Configuration
import Execution
import Files
import Ranks

/// What trains any model into a folder: ``TrainingLoop`` with nothing between its steps but what the
/// caller gives.
///
/// A tokenizer has more to it, and its own: ``TokenizerTrainer``.
package final class ModelTrainer<B: Backend, Model: TrainableModel, Run: TrainedRun> {
  private let run: Run
  private let steps: PlannedSteps<B, Model>
  private let checkpoint: Checkpoint
  private let isResuming: Bool
  private let allowed: ResumeAllowance
  private let heldLock: FolderLock?
  private let observer: any RunObserver
  private let shouldStop: () -> Bool

  /// What tells the data of a run from others: a hash.
  var trainingSet = ""
  /// What to say where a run is resumed with other data.
  var wasOtherSet: () -> any Error = { CancellationError() }
  /// Writes what else the folder holds of a run from its beginning.
  var describe: () throws -> Void = {}
  /// What the log counts at the start.
  var counts: [(name: String, count: Int)] = []

  /// A run that begins with the weights in memory, or goes on from the state in a folder.
  ///
  /// - Parameters:
  ///   - run: the configuration that the folder records; its lanes are chosen.
  ///   - steps: the model's planned steps, with the weights that they share.
  ///   - allowed: what a resumed run may differ in.
  ///   - lock: the folder's lock, where the caller has it; else the run takes it.
  package init(
    _ run: Run, _ steps: PlannedSteps<B, Model>, folder: String, isResuming: Bool,
    allowed: ResumeAllowance = [], lock: FolderLock? = nil, observer: any RunObserver,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    self.run = run
    self.allowed = allowed
    self.steps = steps
    checkpoint = Checkpoint(folder: folder, of: steps.lender.group)
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
      learningRate: run.training.optimizer.learningRate, group: steps.lender.group)
    let lock = try heldLock ?? store.lock(resuming: isResuming)
    defer { lock?.release() }
    let (progress, extras) =
      isResuming
      ? try store.resume(
        run, Run.runKind, steps: run.training.steps,
        blocks: OptimizationDiagnostics<B>.blocks(run.monitor),
        mayChange: allowed.contains(.configuration)
      ) { progress in
        if progress.trainingSet != trainingSet { throw wasOtherSet() }
      } describe: {
        try describe()
      }
      : (
        try store.begin(run, Checkpoint.Progress(trainingSet: trainingSet), describe: describe),
        Checkpoint.StateExtras()
      )
    let loop = try TrainingLoop(
      steps, run.training, run.monitor, store: store, progress: progress, extras: extras,
      isResuming: isResuming,
      line: RunLine(
        step: progress.step, threads: steps.lender.threads, lanes: run.training.lanes,
        counts: counts, changes: store.changes),
      .init(
        source: source, callbacks: callbacks, evaluation: evaluation, observer: observer,
        shouldStop: shouldStop))
    return try loop.run()
  }
}
