import Configuration
import Execution
import Files
import Ranks

/// The folder of a run as its trainer sees it: where the run begins, is saved, and goes on.
///
/// From the beginning of a run there is a state in its folder. Whatever ends the run leaves something to
/// go on with, but for weights that are no longer numbers: then it is the last ones that were saved.
final class RunStore<B: Backend> {
  let checkpoint: Checkpoint
  let parameters: ParameterMemory<B>
  let averages: IterateAverages<B>
  /// The step of the state in the folder.
  private(set) var savedStep = 0
  /// What differs from the configuration before a resume.
  private(set) var changes: [ConfigurationChange] = []
  /// What files of weights say beside the step.
  var record: [String: String] = [:]

  private let observer: any RunObserver
  private let learningRate: Double
  private let group: ProcessGroup?

  /// A run's folder.
  ///
  /// - Parameter group: the processes that train it; the first writes.
  init(
    _ checkpoint: Checkpoint, _ parameters: ParameterMemory<B>, _ averages: IterateAverages<B>,
    observer: any RunObserver, learningRate: Double, group: ProcessGroup?
  ) {
    self.group = group
    self.checkpoint = checkpoint
    self.parameters = parameters
    self.averages = averages
    self.observer = observer
    self.learningRate = learningRate
  }

  /// The right to write into the folder, which a new run makes; nil for those that do not write.
  func lock(resuming isResuming: Bool) throws -> FolderLock? {
    guard !checkpoint.isReadOnly else { return nil }
    if let lock = try checkpoint.lockForTraining(resuming: isResuming) { return lock }
    try checkpoint.makeFolder()
    return try checkpoint.lock()
  }

  /// Begins a run.
  ///
  /// - Parameter describe: writes what else the folder holds of a run from its beginning.
  func begin<C: Configurable>(
    _ run: C, _ progress: Checkpoint.Progress, describe: () throws -> Void = {}
  ) throws -> Checkpoint.Progress {
    try agree(on: run, progress.trainingSet)
    if !checkpoint.isReadOnly { try checkpoint.checkIsFree() }
    var progress = progress
    progress.configuration = run.savedText
    progress.arithmetic = parameters.backend.arithmetic
    try checkpoint.clear()
    try checkpoint.write(run)
    if !checkpoint.isReadOnly { try describe() }
    try checkpoint.writeState(parameters, progress, Checkpoint.StateExtras())
    savedStep = 0
    return progress
  }

  /// Reads the state that a run left, if it may go on under this configuration.
  ///
  /// - Parameters:
  ///   - kind: what the folder must be of.
  ///   - steps: the length of the run.
  ///   - blocks: what may be in the state beside weights, moments and averages.
  ///   - mayChange: whether the further course of the run may differ from its configuration so far.
  ///   - follow: checks that the run's data are those it was started with.
  ///   - describe: writes what else the folder holds of a run.
  func resume<C: Configurable>(
    _ run: C, _ kind: RunKind, steps: Int, blocks: [ParameterBlock], mayChange: Bool,
    follow: (inout Checkpoint.Progress) throws -> Void = { _ in },
    describe: () throws -> Void = {}
  ) throws -> (Checkpoint.Progress, Checkpoint.StateExtras) {
    guard checkpoint.hasState else { throw checkpoint.withoutState }
    let found = try checkpoint.kind()
    guard found == kind else {
      throw TrainingError.otherKind(
        folder: checkpoint.folder, expected: kind, found: found.rawValue)
    }
    var progress = try checkpoint.readProgress()
    changes = try checkpoint.changes(to: run, since: progress, allowed: mayChange)
    try follow(&progress)
    let (read, extras) = try checkpoint.readState(
      into: parameters, optional: averages.blocks + blocks)
    precondition(read.step == progress.step, "nobody else writes into a folder that is locked")
    guard progress.step < steps || progress.isSomethingDue else {
      throw TrainingError.alreadyDone(folder: checkpoint.folder, step: progress.step)
    }
    progress.configuration = run.savedText
    noteArithmetic(&progress)
    // Nothing changes in the folder before all have read what they need of it.
    try agree(on: run, progress.trainingSet, step: progress.step)
    try checkpoint.write(run)
    if !checkpoint.isReadOnly { try describe() }
    savedStep = progress.step
    // Before the first step there is nothing but weights.
    return (progress, progress.step > 0 ? extras : Checkpoint.StateExtras())
  }

  /// Reports a resume with other kernels, as on another processor: its bits will differ from those of an
  /// uninterrupted run.
  private func noteArithmetic(_ progress: inout Checkpoint.Progress) {
    let own = parameters.backend.arithmetic
    if let before = progress.arithmetic, before != own {
      observer.note(
        "this build computes with \(own), the run so far was computed with \(before): training continues, "
          + "but will not match an uninterrupted run bit for bit")
    }
    progress.arithmetic = own
  }

  /// Checks that all processes are about to train the same in the same way.
  private func agree<C: Configurable>(
    on run: C, _ trainingSet: String, step: Int = 0
  ) throws {
    guard let group else { return }
    try group.checkEqual("version", Release.version)
    try group.checkEqual("arithmetic", parameters.backend.arithmetic)
    try group.checkEqual("program", Release.fingerprint)
    try group.checkEqual("configuration", run.savedText)
    try group.checkEqual("set of training data", trainingSet)
    try group.checkEqual("step in \(checkpoint.folder)", String(step))
  }

  /// Writes a checkpoint, unless the weights are no longer numbers.
  ///
  /// - Parameter weighing: decides which weights are those to use.
  func save(
    _ progress: Checkpoint.Progress, _ extras: Checkpoint.StateExtras,
    _ weighing: AveragesEvaluation<B>
  ) throws {
    if let name = parameters.firstNonFinite() {
      throw notFinite("the parameter \(name)", step: progress.step)
    }
    try weighing.withSavedWeights(isSaving: true) {
      try checkpoint.writeModel(
        parameters, step: progress.step, weights: weighing.savedName, record: record)
    }
    var extras = extras
    extras.blocks = averages.blocks + extras.blocks
    extras.numbers.merge(averages.numbers) { $1 }
    try checkpoint.writeState(parameters, progress, extras)
    savedStep = progress.step
    if !checkpoint.isReadOnly {
      observer.didSave(step: progress.step, folder: checkpoint.folder)
    }
  }

  /// Writes weights that were evaluated as the best so far.
  func saveBest(step: Int, _ weighing: AveragesEvaluation<B>) throws {
    try weighing.withSavedWeights {
      try checkpoint.writeModel(
        parameters, to: Checkpoint.bestFile, step: step, weights: weighing.savedName,
        record: record)
    }
  }

  /// What to say where a number is not finite.
  func notFinite(_ place: String, step: Int) -> TrainingError {
    .notFinite(
      step: step, place: place, folder: checkpoint.folder,
      savedStep: checkpoint.hasState ? savedStep : nil, learningRate: learningRate)
  }

  /// What to say where a state lacks numbers.
  func lacking(_ name: String) -> TrainingError {
    .damaged(
      file: checkpoint.path(Checkpoint.stateFile), reason: "it has no usable \"\(name)\"")
  }
}

extension Checkpoint {
  /// What to say where a state was expected and none is.
  public var withoutState: TrainingError {
    switch occupant {
    case .unsavedRun: .nothingSaved(folder: folder)
    case .weights(let file): .weightsExist(folder: folder, file: file)
    case .nothing, .run, .foreign: .noCheckpoint(folder: folder, missing: Self.stateFile)
    }
  }
}
