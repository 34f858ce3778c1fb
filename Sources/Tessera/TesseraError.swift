import Configuration
import Datasets
import Execution
import Files
import Foundation
import Imaging
import Inference
import Safetensors
import TokenFiles
import Training

/// Why something could not be done: what was expected, what was found, and the way out.
///
/// All of this module's functions throw errors of this type. A program looks at ``kind``, a person
/// reads ``description``.
public struct TesseraError: Error, Sendable, CustomStringConvertible, LocalizedError {
  /// What is at fault.
  public enum Kind: Sendable, Hashable {
    /// A value that was passed: an empty list, a wrong count, a number that is not finite, an id
    /// that is not of the codebook.
    case argument
    /// A value of a configuration.
    case configuration
    /// A file or folder that is not there.
    case notFound
    /// A file that is there and cannot be used: it is damaged, or of another tokenizer.
    case badFile
    /// An output that cannot be made or written, or that is there already.
    case output
    /// More memory is needed than there is; nothing of it was allocated.
    case memory
    /// Numbers that exploded during training; what was saved before is unharmed.
    case notFinite
    /// Someone asked to stop before there was a result.
    case stopped
    /// Anything else: the system is out of files or threads.
    case system
  }

  /// What is at fault.
  public let kind: Kind
  /// What happened in one or more sentences, for people to read.
  public let description: String
  /// The error of the module that met the fault, with the details as values; nil where there is
  /// none.
  public let underlying: (any Error)?

  /// The same as ``description``.
  public var errorDescription: String? { description }

  init(_ kind: Kind, _ description: String) {
    self.kind = kind
    self.description = description
    underlying = nil
  }

  /// An error of the modules below.
  init(_ error: any Error) {
    if let error = error as? TesseraError {
      self = error
      return
    }
    underlying = error
    description =
      (error as? TrainingError).flatMap(Self.words) ?? String(describing: error)
    kind =
      switch error {
      case let error as ConfigurationError: error.kind == .unreadable ? .notFound : .configuration
      case let error as TrainingError: Self.kind(of: error)
      case let error as DatasetError: Self.kind(of: error)
      case let error as ImageError: Self.kind(of: error)
      case let error as TokenFileError: Self.kind(of: error)
      case let error as FileError: Self.kind(of: error)
      case let error as CodecError: Self.kind(of: error)
      case is MemoryShortage: .memory
      case is PriorError, is VectorError: .badFile
      case is CancellationError: .stopped
      default: .system
      }
  }

  private static func kind(of error: TrainingError) -> Kind {
    switch error {
    case .notFinite: .notFinite
    case .noCheckpoint, .nothingSaved, .imagesMoved: .notFound
    case .outputExists, .weightsExist, .foreignFile, .folderInUse, .cannotMakeFolder: .output
    case .alreadyDone, .patienceEnded, .otherConfiguration, .otherImages, .noEvaluationImages,
      .frozenAtRandom:
      .configuration
    case .version, .damaged, .doesNotFit, .otherKind: .badFile
    case .file(let error): kind(of: error)
    }
  }

  /// What a program does about faults whose way out the command line knows by its options; nil for
  /// others.
  private static func words(for error: TrainingError) -> String? {
    switch error {
    case .notFinite(let step, let place, let folder, let savedStep, let rate):
      "step \(step): \(place) yields a number that is not finite. Lower the learning rate of \(rate), "
        + "or let it rise over some steps (warmup)."
        + ((savedStep ?? 0) > 0
          ? " The state of step \(savedStep!) in \(folder) is unaffected." : "")
    case .noCheckpoint(let folder, let missing):
      "\(folder): expected a run, found no \(missing) there. Name a folder that training wrote."
    case .nothingSaved(let folder):
      "\(folder): the run there ended before anything of it was saved, so there is nothing to resume. "
        + "Start a new one, without resuming."
    case .outputExists(let folder):
      "\(folder) already holds a run. Go on with it by resuming, or choose another folder."
    case .weightsExist(let folder, let file):
      "\(folder) holds weights (\(file)) and no state to resume from; they are not overwritten. Choose "
        + "another folder."
    case .foreignFile(let folder, let file):
      "\(folder) holds a \(file) that is not that of a run; it is not overwritten. Choose another folder."
    case .folderInUse(let folder, let process):
      "\(folder) is in use: another process" + (process.map { " (number \($0))" } ?? "")
        + " is training there. Wait until it ends, or choose another folder."
    case .otherConfiguration(let folder, let differences, _):
      "\(folder) was started with another configuration; these differ: "
        + differences.joined(separator: ", ")
        + ". Set them back to resume it, or start a new run in another folder."
    case .frozenAtRandom(let parts):
      "training.freeze: \(parts.joined(separator: " and ")) would keep random weights. Start from a "
        + "checkpoint (startingFrom), or freeze nothing."
    case .alreadyDone(let folder, let step):
      "\(folder) is already at step \(step). Raise training.steps to train it further."
    case .cannotMakeFolder(let folder, let reason):
      "\(folder): the folder cannot be created: \(reason)"
    default: nil
    }
  }

  private static func kind(of error: DatasetError) -> Kind {
    switch error {
    case .missingFolder, .notAFolder, .unreadableFolder, .noImages: .notFound
    case .list(.file(let error)): kind(of: error)
    case .list(.missing), .list(.empty): .notFound
    case .list(.allHeldOut): .argument
    case .list: .badFile
    case .shards(let error): kind(of: error)
    case .image(let error): kind(of: error)
    case .noReadableImages, .tooManyDamaged, .aboveDamagedLimit: .badFile
    case .tooFewImages, .tooSmall, .tooThin: .argument
    case .stopped: .stopped
    }
  }

  private static func kind(of error: ShardError) -> Kind {
    switch error {
    case .missing, .noImages: .notFound
    case .archive(.file(let error)): kind(of: error)
    case .badPattern, .memberOfFiles: .argument
    case .compressed, .archive, .duplicateKey: .badFile
    }
  }

  private static func kind(of error: ImageError) -> Kind {
    switch error {
    case .unreadable: .notFound
    case .exhausted: .system
    case .cannotWrite: .output
    case .cannotEncode: .argument
    case .changed, .empty, .notAnImage, .corrupt, .tooManyPixels, .tooManyBytes: .badFile
    }
  }

  private static func kind(of error: TokenFileError) -> Kind {
    switch error {
    case .file(let error): kind(of: error)
    case .missingPiece, .missingSidecar: .notFound
    case .output, .halfReplaced, .latentOutput: .output
    default: .badFile
    }
  }

  private static func kind(of error: FileError) -> Kind {
    error.action == .write ? .output : error.isMissing ? .notFound : .badFile
  }

  private static func kind(of error: CodecError) -> Kind {
    switch error {
    case .notFinite: .badFile
    case .tokenOutOfRange, .latentNotFinite: .argument
    }
  }
}

/// Does some work, whose errors become those of this module.
func translatingErrors<R>(_ work: () throws -> R) throws(TesseraError) -> R {
  do { return try work() } catch { throw TesseraError(error) }
}

/// A number of threads that makes sense: as many as there are cores where none is asked for.
func checkedThreads(_ threads: Int?) throws(TesseraError) -> Int {
  let most = TrainingConfiguration.mostLanes
  guard let threads else { return min(most, AvailableCores.count) }
  guard (1...most).contains(threads) else {
    throw TesseraError(.argument, "threads: expected 1 to \(most), found \(threads)")
  }
  return threads
}
