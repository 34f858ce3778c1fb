import Configuration
import Files
import Foundation

/// Why training, or reading a run, failed.
public enum TrainingError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A number of the step is not finite; `savedStep` is that of the state in the folder, if there is one.
  case notFinite(step: Int, place: String, folder: String, savedStep: Int?, learningRate: Double)
  /// Nothing at a checkpoint's place, or not a checkpoint.
  case noCheckpoint(folder: String, missing: String)
  /// A run began in the folder, and ended before anything of it was saved.
  case nothingSaved(folder: String)
  /// A run is already there.
  case outputExists(folder: String)
  /// Weights without a state are there.
  case weightsExist(folder: String, file: String)
  /// A file that no run wrote is where one of a run's would go.
  case foreignFile(folder: String, file: String)
  /// Another process writes into the folder; its number, where that is known.
  case folderInUse(folder: String, process: Int?)
  /// A checkpoint was written by another version of the format.
  case version(file: String, found: String, expected: String)
  /// A checkpoint lacks something or holds it in another shape.
  case damaged(file: String, reason: String)
  /// The weights to begin with lack a tensor of the model, or hold it in another shape.
  case doesNotFit(file: String, reason: String)
  /// Parts are frozen that would begin with drawn weights.
  case frozenAtRandom(parts: [String])
  /// The run to resume was started with another configuration.
  case otherConfiguration(folder: String, differences: [String], canBeAllowed: Bool = false)
  /// The run to resume was started with other images; nil if it is unknown which.
  case otherImages(folder: String, change: TrainingSetChange?)
  /// The images of a run are neither where they were nor where its configuration says.
  case imagesMoved(key: String, given: String, recorded: String)
  /// No images are there to evaluate with.
  case noEvaluationImages
  /// The run is of another kind: what was to be read, and what was found.
  case otherKind(folder: String, expected: RunKind, found: String)
  /// There is nothing left to do.
  case alreadyDone(folder: String, step: Int)
  /// The run ended because its evaluations did not improve any more.
  case patienceEnded(folder: String, step: Int, evaluations: Int)
  /// A folder cannot be created.
  case cannotMakeFolder(folder: String, reason: String)
  /// A file cannot be read or written.
  case file(FileError)

  /// What happened, and what to do.
  public var description: String {
    switch self {
    case .notFinite(let step, let place, let folder, let savedStep, let rate):
      return "step \(step): \(place) yields a number that is not finite. "
        + Self.wayOut(ofExplosion: folder, savedStep, rate)
    case .noCheckpoint(let folder, let missing):
      return "\(folder): expected a checkpoint, found no \(missing) there. Name a folder that "
        + "`train` wrote, such as checkpoints/fsq."
    case .nothingSaved(let folder):
      return
        "\(folder): the run there ended before anything of it was saved, so there is nothing to "
        + "resume (no \(Checkpoint.stateFile)). Remove --resume and name a configuration with "
        + "--config to start a new run in this folder."
    case .outputExists(let folder):
      return "\(folder) already holds a run. Add --resume to continue it, or choose another "
        + "--output."
    case .weightsExist(let folder, let file):
      return "\(folder) holds weights (\(file)) and no state to resume from; they are not "
        + "overwritten. Choose another --output; add --from \(shellQuoted(folder)) to start from "
        + "these weights."
    case .foreignFile(let folder, let file):
      return "\(folder) holds a \(file) that is not that of a run; it is not overwritten. Choose "
        + "another --output."
    case .folderInUse(let folder, let process):
      return "\(folder) is in use: another process"
        + (process.map { " (number \($0))" } ?? "")
        + " is training there. Wait until it ends or stop it, or choose another --output."
    case .version(let file, let found, let expected):
      return "\(file): expected version \(expected) of the checkpoint format, found \(found). "
        + "Use the version of Tessera that wrote it, or train again."
    case .damaged(let file, let reason):
      return "\(file): \(reason). The checkpoint is damaged or mixed from two; copy it again "
        + "or train again."
    case .doesNotFit(let file, let reason):
      return "\(file): \(reason). Weights to start from must have the shapes of the new model: set "
        + "model and quantizer as in the checkpoint's config.json, or remove --config."
    case .frozenAtRandom(let parts):
      let names = parts.joined(separator: " and ")
      return "training.freeze: expected the weights of a checkpoint for \(names) to keep, found a "
        + "run that begins with random ones. Add --from with its folder, or set training.freeze to "
        + "[]."
    case .otherConfiguration(let folder, let differences, let canBeAllowed):
      return "\(folder) was started with another configuration; these differ: "
        + differences.joined(separator: ", ")
        + (canBeAllowed
          ? ". Add --allow-changes to continue with the new values, or set them back."
          : ". Set them back to resume it, or start a new run with another --output; "
            + "--from \(shellQuoted(folder)) starts one from these weights.")
    case .otherImages(let folder, let change):
      return "\(folder) was started with other images in data.train: "
        + (change?.description ?? "the names of the files differ")
        + ". Put them back to resume exactly, or add --allow-changed-data to continue with the "
        + "images that are there."
    case .imagesMoved(let key, let given, let recorded):
      return "\(key): expected images at \(recorded), where it was when the run started, or at "
        + "\(given) of the working directory; found neither. Name the folder by "
        + (key == "data.train" ? "--data" : "--validation") + "."
    case .noEvaluationImages:
      return
        "expected evaluation images, found none: data.validationShare holds out none, and "
        + "data.validation names no folder. Raise it or name a folder."
    case .otherKind(let folder, let expected, let found):
      return
        "\(folder): expected the run of a \(expected.rawValue), found one of kind \"\(found)\". "
        + Self.wayOut(expected)
    case .alreadyDone(let folder, let step):
      return "\(folder) is already at step \(step). Raise --steps to train it further."
    case .patienceEnded(let folder, let step, let evaluations):
      return
        "\(folder) ended at step \(step): no improvement for \(evaluations) evaluations. Raise "
        + "training.patience, or set it to 0, to train it further."
    case .cannotMakeFolder(let folder, var reason):
      if reason.hasSuffix(".") { reason.removeLast() }
      return "\(folder): the folder cannot be created: \(reason). Choose another --output."
    case .file(let error):
      return error.description
    }
  }

  /// Where a run of a kind is found.
  private static func wayOut(_ expected: RunKind) -> String {
    switch expected {
    case .tokenizer:
      "Name a folder into which `train` trained a tokenizer; a prior is used by `tessera sample`, a "
        + "model of one's own through the library."
    case .prior: "Name a folder into which `train` trained a prior over tokens."
    case .continuous: "Name a folder into which `train` trained a continuous prior."
    case .solver: "Name a folder into which `train` trained the steps of a solver."
    case .model: "Name a folder that a model of one's own was trained into."
    }
  }

  /// What to do after divergence.
  private static func wayOut(
    ofExplosion folder: String, _ savedStep: Int?, _ rate: Double
  ) -> String {
    let lower = "--set training.optimizer.learningRate=\(min(rate / 10, 1e-3))"
    let other =
      "A longer training.schedule.warmup or a smaller training.gradientClip may also help."
    guard let savedStep, savedStep > 0 else {
      return "No step was saved yet: run the same command again with a lower learning rate, "
        + "\(lower). \(other)"
    }
    return
      "The state of step \(savedStep) in \(folder) is unaffected. Resume from it with "
      + "a lower learning rate: \(CommandName.typed("train")) --resume --output \(shellQuoted(folder)) "
      + "--allow-changes \(lower). "
      + "If that diverges too, start a new run at that learning rate. \(other)"
  }
}

/// A path as a shell takes it; one with control characters as bash, zsh and ksh do.
public func shellQuoted(_ path: String) -> String {
  if !path.isEmpty, path.allSatisfy({ $0.isLetter || $0.isNumber || "/._-".contains($0) }) {
    return path
  }
  if path == VisibleText.line(path) {
    return "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
  return "$'"
    + path.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
      case 0x20..<0x7F: String(UnicodeScalar(byte))
      default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }.joined() + "'"
}
