import Autodiff
import Execution
import Files
import Ranks

/// What tells one kind of training from others: its model, where batches come from, how weights are judged,
/// and what the folder says of it.
package protocol TrainingTask {
  /// What is trained.
  associatedtype Model: TrainableModel
  /// Its configuration.
  associatedtype Run: TrainedRun

  /// The configuration, with lanes and micro-batch chosen.
  var run: Run { get }
  /// The model.
  var model: Model { get }
  /// The layout of its parameters.
  var layout: ParameterLayout { get }
  /// A lower bound of a lane's bytes: what is far too large is not planned.
  var leastBytes: Double { get }
  /// The keys of the configuration that make a model large.
  var sizeKeys: [String] { get }

  /// Fills in weights that are not drawn at random.
  func prepare<B: Backend>(_ parameters: ParameterMemory<B>) throws
  /// The batches of a run.
  func batches() -> any BatchSource
  /// How the weights are judged.
  func evaluation<B: Backend>(
    _ forward: ForwardPass<B>, shouldStop: @escaping () -> Bool
  ) throws -> any ModelEvaluation

  /// What tells the data of a run from others: a hash.
  var trainingSet: String { get }
  /// What to say where the run in a folder was started with other data.
  func otherData(folder: String) -> any Error
  /// Writes what else the folder holds of a run from its beginning.
  func describe(folder: String) throws
  /// What the log counts at the start.
  var counts: [(name: String, count: Int)] { get }
}

extension TrainingTask {
  package func prepare<B: Backend>(_ parameters: ParameterMemory<B>) throws {}
}

/// Trains what a task says, into a folder.
///
/// Its memory is computed before it is taken, a run is resumed bit by bit, and a stop is heard between
/// steps, as of ``TokenizerTrainer``.
package final class TaskTrainer<B: Backend, Task: TrainingTask> {
  /// What is trained.
  package let task: Task
  private let steps: PlannedSteps<B, Task.Model>
  private let place: RunPlace

  /// Takes memory for a run, and plans its steps.
  package init(_ task: Task, in place: RunPlace, backend: B, threads: Int) throws {
    (self.task, self.place) = (task, place)
    let group = place.group
    try group?.check(lanes: task.run.training.lanes, batch: task.run.training.batchSize)
    try MemoryLimits().check(
      Self.need(task, processes: group?.size ?? 1, on: backend), "training")
    let parameters = ParameterMemory(task.layout, on: backend)
    parameters.initialize(seed: UInt64(bitPattern: Int64(task.run.training.seed)))
    try task.prepare(parameters)
    steps = try PlannedSteps(
      task.model, task.run.training, parameters: parameters,
      pool: LanePool(threads: min(threads, task.run.training.lanes / (group?.size ?? 1))),
      group: group)
  }

  /// Memory of a run beside its data, computed without allocating it.
  private static func need(
    _ task: Task, processes: Int, on backend: B
  ) throws -> MemoryNeed {
    // Weights and their moments, the gradients of the lanes, two numbers an average.
    let (run, layout) = (task.run, task.layout)
    let averages = 2 * run.training.averaging.rules.count
    let diagnostics = (run.monitor.averageLoss ? 1 : 0) + (run.monitor.cosines ? 1 : 0)
    var need = MemoryNeed()
    need.add(
      "weights, their moments and averages",
      bytes: 4 * Double(layout.words) * Double(3 + averages + diagnostics), keys: task.sizeKeys)
    let keys = ["training.microBatch", "training.lanes"] + task.sizeKeys
    let lanes = run.training.lanes / processes
    let name = "activations and gradients of \(lanes) lanes"
    need.addExchange(layout, lanes: run.training.lanes, processes: processes)
    guard task.leastBytes < MemoryNeed.mostPlanned else {
      need.add(name, bytes: Double(lanes) * task.leastBytes, keys: keys)
      return need
    }
    let variant = task.model.variant(ofStep: 0)
    let plan = try task.model.record(variant).plan(task.model.batch(variant), on: backend)
    need.add(name, bytes: plan.bytes(lanes: lanes), keys: keys)
    return need
  }

  /// The plan of a training step, to be printed.
  package var plan: Plan { steps.lender.plan }

  /// The sizes of the run.
  package var size: RunSize {
    RunSize(
      parameters: task.layout.parameters.reduce(0) { $0 + ($1.isTrained ? $1.shape.count : 0) },
      lanes: task.run.training.lanes, threads: steps.lender.threads * place.processes,
      arenaBytes: steps.lender.plan.arenaWords * 4 * steps.lender.ownLanes.count)
  }

  /// Where the time of some steps goes; their weights are not kept.
  ///
  /// - Parameters:
  ///   - steps: the steps that are measured.
  ///   - warmup: the steps before, in which memory is touched for the first time.
  package func trace(steps count: Int, warmup: Int = 1) throws -> Trace {
    let step = try steps.step(task.model.variant(ofStep: 0))
    let source = task.batches()
    defer { source.stop() }
    let trace = Trace(
      step.session.plan, lanes: step.session.ownLanes.count, threads: step.session.threads)
    for index in 0..<(warmup + count) where !place.shouldStop() {
      if index == warmup { step.session.trace = trace }
      let began = ContinuousClock.now
      let outcome = try source.withBatch(step: index) { step.measure($0) }
      step.update(step: index, gradientNorm: outcome.gradientNorm)
      step.session.trace?.addStep(since: began)
    }
    return trace
  }

  /// Trains until the last step, until evaluations improve no more, or until someone asks to stop;
  /// likewise ``TokenizerTrainer/train()``.
  package func train(observer: any RunObserver) throws -> RunEnd {
    let (task, place) = (task, place)
    let trainer = ModelTrainer(
      task.run, steps, folder: place.folder, isResuming: place.isResuming, allowed: place.allowed,
      lock: place.lock, observer: observer, shouldStop: place.shouldStop)
    trainer.trainingSet = task.trainingSet
    trainer.wasOtherSet = { task.otherData(folder: place.folder) }
    trainer.describe = { try task.describe(folder: place.folder) }
    trainer.counts = task.counts
    return try trainer.train(
      on: task.batches(),
      evaluation: try task.evaluation(
        try steps.forward(task.model.variant(ofStep: 0)), shouldStop: place.shouldStop))
  }
}

/// Where a run goes, and how it may be continued.
public struct RunPlace {
  /// The folder.
  public let folder: String
  /// Whether the run there is continued.
  public let isResuming: Bool
  /// What a resumed run may differ in.
  public let allowed: ResumeAllowance
  /// The folder's lock, where the caller has it.
  public let lock: FolderLock?
  /// Asked between steps.
  public let shouldStop: () -> Bool
  /// The processes that train the run; nil for one by itself.
  public let group: ProcessGroup?

  /// A place.
  ///
  /// - Parameter group: the processes that train the run; all of them ask `shouldStop` of the group.
  public init(
    folder: String, isResuming: Bool = false, allowed: ResumeAllowance = [],
    lock: FolderLock? = nil, group: ProcessGroup? = nil,
    shouldStop: @escaping () -> Bool = { false }
  ) {
    (self.folder, self.isResuming, self.allowed) = (folder, isResuming, allowed)
    (self.lock, self.group, self.shouldStop) = (lock, group, shouldStop)
  }

  /// How many processes train it.
  var processes: Int { group?.size ?? 1 }

  /// The cores of all of them.
  ///
  /// - Parameter own: those of this process.
  func cores(_ own: Int) -> Int { group?.threads ?? own }

  /// A configuration's training with the lanes and the micro-batch of the run in the folder, where it has
  /// none of its own.
  func keepingLanes<Run: TrainedRun>(_ run: Run) throws -> Run {
    var run = run
    guard isResuming, Checkpoint(folder: folder).hasState else { return run }
    let before: Run = try Checkpoint(folder: folder).readConfiguration(of: Run.runKind)
    if run.training.lanes == 0 { run.training.lanes = before.training.lanes }
    if run.training.microBatch == 0 { run.training.microBatch = before.training.microBatch }
    return run
  }
}

/// The sizes of a run.
public struct RunSize: Sendable {
  /// Trained numbers.
  public let parameters: Int
  /// Lanes that share each batch, and threads that compute them.
  public let lanes, threads: Int
  /// Bytes of all lanes' arenas.
  public let arenaBytes: Int
}
