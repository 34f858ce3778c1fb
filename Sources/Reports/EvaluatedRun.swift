import Diagnostics
import Evaluation
import Foundation

/// Measurements of one run.
public struct EvaluatedRun: Sendable {
  /// The quantizer.
  public var quantizer: QuantizerPresentation
  /// Side in pixels of the images it was evaluated on.
  public var imageSize: Int
  /// How many images those were.
  public var images: Int
  /// How many of those the run was trained on; nil if its training folder is missing.
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
  /// Images a second in training: the median of the log's lines; nil without a log.
  public var trainingRate: Double?
  /// Images a second in evaluation: encode, quantize, decode.
  public var evaluationRate: Double
  /// The numbers that the verdict rests on.
  public var evidence: HealthEvidence
  /// Since when diagnostics of the run's log lie beyond their limits; nil without a log.
  public var onset: CollapseOnset?
  /// The verdict.
  public let health: CodebookHealth

  /// The measurements from which the verdict follows.
  public init(
    quantizer: QuantizerPresentation, imageSize: Int, images: Int, imagesTrainedOn: Int?,
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

  /// Tokens of the images: positions of their grids, each with an id at every depth.
  public var tokens: Int { usage.ids / max(1, usageByDepth.count) }

  /// Bits to tell one token, all its indices.
  public var bitsPerToken: Double {
    Information.bitsPerToken(codes: usage.codes) * Double(max(1, usageByDepth.count))
  }

  /// Bits that a token carries: the logarithm of the perplexity, summed over its indices.
  public var entropyPerToken: Double {
    (usageByDepth.isEmpty ? [usage] : usageByDepth).reduce(0) { sum, usage in
      sum + (usage.perplexity > 0 ? log2(usage.perplexity) : 0)
    }
  }
}
