import Files
import Compression
import Configuration
import Datasets
import Execution
import Foundation
import Imaging
import Inference
import Ranks
import Safetensors
import TokenFiles
import TorchFiles
import Training
import WeightExchange

/// What ended a command: one sentence for the user, and the exit code of `sysexits`.
public struct Failure: Error, CustomStringConvertible {
  /// The exit codes that the commands use.
  public enum Code: Int32, Sendable {
    /// Wrong flags or values.
    case usage = 64
    /// Input that is there but wrong.
    case badData = 65
    /// Input that is not there.
    case noInput = 66
    /// A fault of the program or of the numbers.
    case `internal` = 70
    /// An output that cannot be made.
    case cannotCreate = 73
    /// A write that failed, such as on a full disk.
    case inputOutput = 74
  }

  /// The exit code.
  public let code: Code
  /// What was expected, what was found, the way out.
  public let description: String

  /// A failure of the given kind, printed on one line.
  public init(_ code: Code, _ description: String) {
    self.init(code, lines: [description])
  }

  /// Any error of the layers below, with the code that fits it.
  public init(_ error: any Error) {
    let code = Self.code(of: error)
    switch error {
    case let failure as Failure: self = failure
    case let error as ConfigurationError: self.init(code, lines: error.lines)
    default: self.init(code, String(describing: error))
    }
  }

  /// A failure printed on several lines; control characters within each are escaped.
  private init(_ code: Code, lines: [String]) {
    self.code = code
    description = lines.map(VisibleText.line).joined(separator: "\n")
  }

  private static func code(of error: any Error) -> Code {
    switch error {
    case let failure as Failure: return failure.code
    case let error as ConfigurationError:
      return error.kind == .unreadable ? .noInput : .badData
    case let error as DatasetError: return code(of: error)
    case let error as ImageError: return code(of: error)
    case let error as TrainingError: return code(of: error)
    case let error as FileError: return code(of: error)
    case let error as SafetensorsError:
      if case .file(let error) = error { return code(of: error) }
      return .badData
    case let error as TorchFileError:
      if case .file(let error) = error { return code(of: error) }
      return .badData
    case let error as TokenFileError: return code(of: error)
    case let error as RankError: return code(of: error)
    case is CodecError, is MemoryShortage, is PriorError, is VectorError, is CompressionError,
      is ImportError, is ExportError:
      return .badData
    default: return .internal
    }
  }

  private static func code(of error: DatasetError) -> Code {
    switch error {
    case .missingFolder, .notAFolder, .unreadableFolder, .noImages: return .noInput
    case .list(.file(let error)): return code(of: error)
    case .list(.missing), .list(.empty): return .noInput
    case .list: return .badData
    case .shards(let error): return code(of: error)
    case .image(let error): return code(of: error)
    case .noReadableImages, .tooFewImages, .tooSmall, .tooThin, .tooManyDamaged, .aboveDamagedLimit:
      return .badData
    case .stopped: return .internal
    }
  }

  private static func code(of error: ShardError) -> Code {
    switch error {
    case .badPattern: return .usage
    case .missing, .noImages: return .noInput
    case .archive(.file(let error)): return code(of: error)
    case .compressed, .archive, .duplicateKey, .memberOfFiles: return .badData
    }
  }

  private static func code(of error: ImageError) -> Code {
    switch error {
    case .unreadable: return .noInput
    case .exhausted: return .internal
    case .cannotWrite: return .inputOutput
    default: return .badData
    }
  }

  private static func code(of error: TrainingError) -> Code {
    switch error {
    case .notFinite: return .internal
    case .noCheckpoint, .nothingSaved, .imagesMoved: return .noInput
    case .outputExists, .weightsExist, .foreignFile, .folderInUse, .cannotMakeFolder:
      return .cannotCreate
    case .alreadyDone, .patienceEnded, .frozenAtRandom: return .usage
    case .version, .damaged, .doesNotFit, .otherKind, .otherConfiguration, .otherImages,
      .noEvaluationImages:
      return .badData
    case .file(let error): return code(of: error)
    }
  }

  private static func code(of error: RankError) -> Code {
    switch error {
    case .variables, .withoutMPI, .withoutAddress, .otherMPI, .uneven, .unevenBatch: .usage
    case .differs: .badData
    case .cannotListen, .cannotReach, .missing, .stranger, .ended, .outOfStep, .mpi: .internal
    }
  }

  private static func code(of error: FileError) -> Code {
    switch error.action {
    case .read: return .noInput
    case .write:
      // What is refused before a byte is written, against what fails on the way.
      switch error.reason {
      case .unconfirmed: return .inputOutput
      case .notARegularFile, .busy, .cutShort, .replaced, .tooLarge, .system(EACCES),
        .system(EPERM), .system(EROFS):
        return .cannotCreate
      case .system: return error.isMissing ? .cannotCreate : .inputOutput
      }
    }
  }

  private static func code(of error: TokenFileError) -> Code {
    switch error {
    case .file(let error): return code(of: error)
    default: return .badData
    }
  }
}
