import Datasets
import Execution

/// Where a run stops and goes on.
extension Trainer {
  /// Reads the state that a run left, if it may go on under this configuration.
  func resume() throws -> (Checkpoint.Progress, Checkpoint.StateExtras) {
    guard checkpoint.hasState else {
      throw TrainingError.noCheckpoint(folder: checkpoint.folder, missing: Checkpoint.stateFile)
    }
    try checkpoint.checkUnchanged(run)
    let (progress, extras) = try checkpoint.readState(
      into: parameters, optional: averages.blocks + RunMonitor<B>.blocks(run.monitor))
    guard progress.trainingSet == trainingSetHash else {
      throw TrainingError.otherConfiguration(
        folder: checkpoint.folder, differences: ["the names of the files in data.train"])
    }
    guard progress.step < run.training.steps else {
      throw TrainingError.alreadyDone(folder: checkpoint.folder, step: progress.step)
    }
    try checkpoint.begin(run)
    return (progress, extras)
  }

  /// Hands the averages what a state holds of them.
  func restore(
    _ extras: Checkpoint.StateExtras, _ weighing: AveragesEvaluation<B>,
    _ keeper: CodebookKeeper<B>?
  ) throws {
    guard isResuming else { return }
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
  func save(
    _ progress: Checkpoint.Progress, _ monitor: RunMonitor<B>, _ weighing: AveragesEvaluation<B>,
    _ keeper: CodebookKeeper<B>?
  ) throws {
    if let name = parameters.firstNonFinite() {
      throw notFinite("the parameter \(name)", step: progress.step - 1)
    }
    try weighing.withSavedWeights {
      try checkpoint.writeModel(parameters, step: progress.step, weights: weighing.savedName)
    }
    let extras = monitor.extras(after: progress.step)
    try checkpoint.writeState(
      parameters, progress,
      Checkpoint.StateExtras(
        blocks: averages.blocks + extras.blocks,
        numbers: [averages.numbers, weighing.numbers, extras.numbers, keeper?.numbers ?? [:]]
          .reduce(into: [:]) { $0.merge($1) { $1 } }))
    observer.didSave(step: progress.step, folder: checkpoint.folder)
  }

  var trainingSetHash: String {
    Checkpoint.hash(ofNames: (0..<dataset.training.count).map(dataset.training.file))
  }
}
