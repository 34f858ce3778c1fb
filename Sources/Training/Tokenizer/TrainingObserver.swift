/// Who watches the run of a tokenizer: a progress line, a log, a test.
public protocol TrainingObserver: RunObserver {
  /// The run is about to start or resume.
  func trainingWillBegin(_ overview: TrainingOverview)
  /// The tokenizer was evaluated on the fixed set of images.
  func didEvaluate(_ result: EvaluationResult, step: Int)
}

/// Overview before a run.
public struct TrainingOverview: Sendable {
  /// Images to train on.
  public let trainingImages: Int
  /// Images of the fixed evaluation set.
  public let evaluationImages: Int
  /// Trained numbers.
  public let parameters: Int
  /// Updates that were made before.
  public let firstStep: Int
  /// The length of the run.
  public let steps: Int
  /// Bytes of all lanes' arenas.
  public let arenaBytes: Int
  /// Lanes that share each batch.
  public let lanes: Int
  /// Threads that compute them: cores in use.
  public let threads: Int
  /// Cores that there are for this process.
  public let cores: Int
  /// The lanes that would use all cores, or as many as share a batch evenly.
  public let lanesForAllCores: Int
}

// What a step of a tokenizer measures.
extension StepReport {
  static let psnrName = "psnr"
  static let usageName = "usage"
  static let tokensName = "tokens"
  static let idsName = "ids"

  /// Peak signal to noise of the batch in dB, before values are rounded to 8 bits.
  public var psnr: Double { statistics[Self.psnrName] ?? .nan }
  /// The reconstruction loss.
  public var reconstruction: Double { statistics[TokenizerModel.reconstruction] ?? .nan }
  /// Images a second since the last line of the log: training alone.
  public var imagesPerSecond: Double { itemsPerSecond }
  /// The fraction of the codebook that this batch used.
  public var usage: Double { statistics[Self.usageName] ?? 0 }
  /// Tokens in the batch: positions of its images' grids; 0 where nothing is quantized yet.
  public var tokens: Int { counts[Self.tokensName] ?? 0 }
  /// Their ids: one a token at each depth.
  public var ids: Int { counts[Self.idsName] ?? 0 }
  /// The quantizer's scalars, by name.
  public var quantizer: [String: Double] {
    let others = [Self.psnrName, TokenizerModel.reconstruction, Self.usageName]
    return statistics.filter { !others.contains($0.key) }
  }
}

extension AveragesReport {
  /// How many images.
  public var images: Int { count }
}

extension AveragesReport.Entry {
  /// Peak signal to noise in dB on 8-bit RGB.
  public var psnr: Double { statistics[StepReport.psnrName] ?? .nan }
}
