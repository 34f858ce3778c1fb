/// Observer of a run: a progress line, a log, a test.
public protocol TrainingObserver: AnyObject {
  /// The run is about to start or resume.
  func trainingWillBegin(_ overview: TrainingOverview)
  /// An update was made.
  func didStep(_ report: StepReport)
  /// The model was evaluated on the fixed set.
  func didEvaluate(_ result: EvaluationResult, step: Int)
  /// The last weights and their averages were held side by side.
  func didCompare(_ averages: AveragesReport, step: Int)
  /// A checkpoint was written.
  func didSave(step: Int, folder: String)
  /// Something happened that the user should know, and that does not end the run.
  func note(_ text: String)
  /// The run is about to end with an error.
  ///
  /// - Parameters:
  ///   - step: updates that were made.
  ///   - savedStep: the step of the state in the folder.
  func willFail(step: Int, savedStep: Int, folder: String)
}

extension TrainingObserver {
  /// Does nothing.
  public func note(_ text: String) {}
  /// Does nothing.
  public func willFail(step: Int, savedStep: Int, folder: String) {}
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

/// What one update measured.
public struct StepReport: Sendable {
  /// Updates made so far.
  public let step: Int
  /// The length of the run.
  public let steps: Int
  /// The loss.
  public let loss: Double
  /// Peak signal to noise of the batch in dB, before values are rounded to 8 bits.
  public let psnr: Double
  /// The reconstruction loss.
  public let reconstruction: Double
  /// The norm of the gradient before clipping.
  public let gradientNorm: Double
  /// The learning rate of the update.
  public let learningRate: Double
  /// Seconds of training so far, over all resumptions.
  public let seconds: Double
  /// Images a second since the last line of the log: training alone.
  public let imagesPerSecond: Double
  /// The fraction of the codebook that this batch used.
  public let usage: Double
  /// Tokens in the batch: positions of its images' grids; 0 where nothing is quantized yet.
  public let tokens: Int
  /// Their ids: one a token at each depth.
  public let ids: Int
  /// The quantizer's scalars, by name.
  public let quantizer: [String: Double]
  /// The current warning; nil where nothing is.
  public let warning: String?
}
