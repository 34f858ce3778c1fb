import Configuration
import Datasets
import Execution
import Safetensors

/// Where a run begins, stops and goes on.
extension Trainer {
  /// Begins a run: from here on there is a state in the folder, and whatever ends the run leaves
  /// something to go on with.
  ///
  /// Codebooks that are made of vectors are not in the state of step 0: they follow from its weights.
  func begin() throws -> Checkpoint.Progress {
    try checkpoint.checkIsFree()
    var progress = Checkpoint.Progress(trainingSet: trainingSetHash)
    progress.origin = origin
    progress.configuration = run.savedText
    try checkpoint.clear()
    try checkpoint.write(run)
    try checkpoint.writeData(run, dataset)
    try checkpoint.writeState(parameters, progress, Checkpoint.StateExtras())
    savedStep = 0
    return progress
  }

  /// Reads the state that a run left, if it may go on under this configuration with these images.
  func resume() throws -> (Checkpoint.Progress, Checkpoint.StateExtras) {
    guard checkpoint.hasState else { throw checkpoint.withoutState }
    var progress = try checkpoint.readProgress()
    changes = try checkpoint.changes(
      to: run, since: progress, allowed: allowed.contains(.configuration))
    imageChange = try followImages(&progress)
    if let change = checkpoint.validationChange(run, dataset) { observer.note(change) }
    let (read, extras) = try checkpoint.readState(
      into: parameters, optional: averages.blocks + RunMonitor<B>.blocks(run.monitor))
    precondition(read.step == progress.step, "nobody else writes into a folder that is locked")
    guard progress.step < run.training.steps || progress.isSomethingDue else {
      throw TrainingError.alreadyDone(folder: checkpoint.folder, step: progress.step)
    }
    progress.configuration = run.savedText
    try checkpoint.write(run)
    try checkpoint.writeData(run, dataset)
    savedStep = progress.step
    // Before the first step there is nothing but weights.
    return (progress, progress.step > 0 ? extras : Checkpoint.StateExtras())
  }

  /// Hands the parts of a run what a state holds of them.
  func restore(
    _ extras: Checkpoint.StateExtras, _ weighing: AveragesEvaluation<B>,
    _ keeper: CodebookKeeper<B>?, after step: Int
  ) throws {
    guard step > 0 else { return }
    // Codes that are replaced from here on have no past.
    let keeper =
      changes.contains { $0.key == "quantizer.reviveEvery" && $0.old == .integer(0) }
      ? nil : keeper
    let lacking =
      averages.blocks.first { !extras.blocks.contains($0) }?.name
      ?? averages.restore(extras.numbers) ?? weighing.restore(extras.numbers)
      ?? keeper?.restore(extras.numbers)
    if let lacking {
      throw TrainingError.damaged(
        file: checkpoint.path(Checkpoint.stateFile), reason: "it has no usable \"\(lacking)\"")
    }
  }

  /// Writes a checkpoint, unless the weights are no longer numbers.
  func save(_ progress: Checkpoint.Progress, _ parts: Parts) throws {
    if let name = parameters.firstNonFinite() {
      throw notFinite("the parameter \(name)", step: progress.step)
    }
    try parts.weighing.withSavedWeights(isSaving: true) {
      try checkpoint.writeModel(
        parameters, step: progress.step, weights: parts.weighing.savedName)
    }
    var progress = progress
    progress.dueLines = parts.diary.dueLines
    let extras = parts.monitor.extras(after: progress.step)
    try checkpoint.writeState(
      parameters, progress,
      Checkpoint.StateExtras(
        blocks: averages.blocks + extras.blocks,
        numbers: [
          averages.numbers, parts.weighing.numbers, extras.numbers, parts.keeper?.numbers ?? [:],
          parts.best.best == nil ? [:] : ["best": parts.best.state],
        ].reduce(into: [:]) { $0.merge($1) { $1 } }))
    savedStep = progress.step
    observer.didSave(step: progress.step, folder: checkpoint.folder)
  }

  /// Saves what an error found, and says of which step the state in the folder is.
  ///
  /// Weights behind a step whose numbers exploded are not saved: those from before are kept.
  func rescue(_ progress: Checkpoint.Progress, _ parts: Parts, from error: any Error) {
    var isExplosion = false
    if case TrainingError.notFinite = error { isExplosion = true }
    if !isExplosion, savedStep != progress.step { try? save(progress, parts) }
    observer.willFail(step: progress.step, savedStep: savedStep, folder: checkpoint.folder)
  }

  func notFinite(_ place: String, step: Int) -> TrainingError {
    .notFinite(
      step: step, place: place, folder: checkpoint.folder,
      savedStep: checkpoint.hasState ? savedStep : nil,
      learningRate: run.training.optimizer.learningRate)
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
