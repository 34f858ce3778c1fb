import Safetensors

/// Why training, or reading what it left, could not go on.
public enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A number of the step is not finite.
  case notFinite(step: Int, place: String, checkpoint: String?)
  /// Nothing at a checkpoint's place, or not a checkpoint.
  case noCheckpoint(folder: String, missing: String)
  /// A run is already there.
  case outputExists(folder: String)
  /// A checkpoint was written by another version of the format.
  case version(file: String, found: String, expected: String)
  /// A checkpoint lacks something or holds it in another shape.
  case damaged(file: String, reason: String)
  /// The run that is to go on was started with another configuration.
  case otherConfiguration(folder: String, differences: [String])
  /// There is nothing left to do.
  case alreadyDone(folder: String, step: Int)
  /// A folder cannot be made.
  case cannotMakeFolder(folder: String, reason: String)
  /// A file cannot be read or written.
  case file(FileError)

  /// What happened, and the way out.
  public var description: String {
    switch self {
    case .notFinite(let step, let place, let checkpoint):
      let kept =
        checkpoint.map { "The checkpoint in \($0) is from before and unharmed." }
        ?? "No checkpoint had been written yet."
      return "step \(step): \(place) yields a number that is not finite. Lower "
        + "training.optimizer.learningRate, lengthen training.schedule.warmup or set "
        + "training.gradientClip, and start again. \(kept)"
    case .noCheckpoint(let folder, let missing):
      return "\(folder): expected a checkpoint, found no \(missing) there. Name a folder that "
        + "`train` wrote, such as checkpoints/fsq."
    case .outputExists(let folder):
      return "\(folder) already holds a run. Add --resume to go on with it, or choose another "
        + "place by --output."
    case .version(let file, let found, let expected):
      return "\(file): expected version \(expected) of the checkpoint format, found \(found). "
        + "Use the version of Tessera that wrote it, or train anew."
    case .damaged(let file, let reason):
      return "\(file): \(reason). The checkpoint is damaged or was mixed from two; copy it again "
        + "or train anew."
    case .otherConfiguration(let folder, let differences):
      return "\(folder) was started with another configuration; these differ: "
        + differences.joined(separator: ", ")
        + ". Set them back to go on with it, or start a new run with another --output."
    case .alreadyDone(let folder, let step):
      return "\(folder) is already at step \(step). Raise --steps to train it further."
    case .cannotMakeFolder(let folder, let reason):
      return "\(folder): the folder cannot be made: \(reason). Choose another --output."
    case .file(let error):
      return error.description
    }
  }
}
