import Diagnostics
import Evaluation

/// What was measured of one run.
public struct EvaluatedRun: Sendable {
  /// The quantizer.
  public enum Quantizer: Sendable, Equatable {
    /// Levels of each channel, and the name of the bounding function.
    case fsq(levels: [Int], bound: String)
    /// Entries, numbers in an entry, and how the gradient passes.
    case vq(codes: Int, dimension: Int, gradient: String)
    /// Entries, numbers in an entry, and how the gradient passes, of other kinds with a codebook:
    /// `cosine-vq`, `simvq`.
    case codebook(kind: String, codes: Int, dimension: Int, gradient: String)
    /// Bits to a token, of `lfq` and `bsq`.
    case binary(kind: String, bits: Int)
    /// Indices to a token, values of each, and the rest in words, of `product-vq`, `residual-vq` and
    /// `residual-fsq`.
    case deep(kind: String, depth: Int, codes: Int, words: String)

    /// Whether there is one codebook, whose codes lie where the vectors do.
    var hasCodebook: Bool {
      switch self {
      case .vq, .codebook: true
      case .fsq, .binary, .deep: false
      }
    }

    /// In few words: `fsq 8,5,5,5 tanh`, `vq 1024x8 rotation`.
    public var words: String {
      switch self {
      case .fsq(let levels, let bound):
        "fsq \(levels.map(String.init).joined(separator: ",")) \(bound)"
      case .vq(let codes, let dimension, let gradient): "vq \(codes)x\(dimension) \(gradient)"
      case .codebook(let kind, let codes, let dimension, let gradient):
        "\(kind) \(codes)x\(dimension) \(gradient)"
      case .binary(let kind, let bits): "\(kind) \(bits) bits"
      case .deep(let kind, let depth, let codes, let words): "\(kind) \(depth)x\(codes) \(words)"
      }
    }
  }

  /// The quantizer.
  public var quantizer: Quantizer
  /// Side in pixels of the images it was evaluated on.
  public var imageSize: Int
  /// How many images those were.
  public var images: Int
  /// How many of those the run was trained on; nil where its training folder is not there.
  public var imagesTrainedOn: Int?
  /// How often each code was used, pooled over all depths of the tokens.
  public var usage: CodebookUsage
  /// The same at each depth, where tokens have several indices; else empty.
  public var usageByDepth: [CodebookUsage] = []
  /// Bits of tokens to one pixel.
  public var bitsPerPixel: Double
  /// PSNR in dB.
  public var psnr: Double
  /// SSIM.
  public var ssim: Double
  /// The mean over tokens of `|z - q|^2`.
  public var quantizationError: Double
  /// How many numbers were trained.
  public var parameters: Int
  /// Updates that were made.
  public var steps: Int
  /// Images a second in training: the median of the journal's lines; nil without a journal.
  public var trainingRate: Double?
  /// Images a second in evaluation: encode, quantize, decode.
  public var evaluationRate: Double
  /// The numbers that the verdict rests on.
  public var evidence: HealthEvidence
  /// Since when diagnostics of the run's journal lie beyond their limits; nil without a journal.
  public var onset: CollapseOnset?
  /// The verdict.
  public let health: CodebookHealth

  /// What was measured; the verdict follows from the evidence.
  public init(
    quantizer: Quantizer, imageSize: Int, images: Int, imagesTrainedOn: Int?,
    usage: CodebookUsage, bitsPerPixel: Double, psnr: Double, ssim: Double,
    quantizationError: Double, parameters: Int, steps: Int, trainingRate: Double?,
    evaluationRate: Double, evidence: HealthEvidence
  ) {
    self.quantizer = quantizer
    self.imageSize = imageSize
    self.images = images
    self.imagesTrainedOn = imagesTrainedOn
    self.usage = usage
    self.bitsPerPixel = bitsPerPixel
    self.psnr = psnr
    self.ssim = ssim
    self.quantizationError = quantizationError
    self.parameters = parameters
    self.steps = steps
    self.trainingRate = trainingRate
    self.evaluationRate = evaluationRate
    self.evidence = evidence
    health = CodebookHealth(judging: evidence)
  }

  /// The verdict with its reasons, and of a collapse since when and what showed it.
  public var verdictWords: String {
    guard [.tokenCollapse, .embeddingCollapse].contains(health.verdict), let onset,
      !onset.words.isEmpty
    else { return health.words }
    return health.words + "; " + onset.words
  }

  /// Bits to tell one token, all its indices.
  public var bitsPerToken: Double {
    Information.bitsPerToken(codes: usage.codes) * Double(max(1, usageByDepth.count))
  }
}
