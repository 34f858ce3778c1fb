import Evaluation

/// The numbers that a verdict on a codebook rests on.
public struct HealthEvidence: Sendable {
  /// Facts about the bottleneck.
  public enum Bottleneck: Sendable {
    /// A trained codebook: the spread of all its entries, and of those that were used.
    case vector(codebook: VectorSpread, usedCodes: VectorSpread)
    /// Rounded channels: the use of their levels, and how wide a level is at the middle of each
    /// channel, in units of the latent before it is bounded.
    case finiteScalar(levels: LevelUse, levelWidths: [Double])
  }

  /// One evaluation in the course of training.
  public struct Evaluation: Sendable, Equatable {
    /// After how many updates.
    public let step: Int
    /// Peak signal to noise in dB.
    public let psnr: Double

    /// An evaluation.
    public init(step: Int, psnr: Double) {
      self.step = step
      self.psnr = psnr
    }
  }

  /// The size of the codebook, `K`.
  public var codes: Int
  /// Ids that were counted, `n`: tokens, times the depths where a token has several ids.
  public var ids: Int
  /// Codes used at least once.
  public var used: Int
  /// `exp(entropy)` of the code frequencies.
  public var perplexity: Double
  /// The usage at each depth, where tokens have several ids and ``codes`` and ``ids`` are those of all
  /// depths side by side; else empty.
  public var depths: [CodebookUsage]
  /// The vectors before quantization.
  public var latents: VectorSpread
  /// The mean of `|z - q|^2` over the vectors, where codes are in the space of ``latents``; else nil.
  public var quantizationError: Double?
  /// The bottleneck.
  public var bottleneck: Bottleneck
  /// PSNR of the reconstructions in dB.
  public var psnr: Double
  /// PSNR in dB of the images' mean colours, over the same images.
  public var baselinePSNR: Double
  /// Updates that were made.
  public var steps: Int
  /// Updates that the run's configuration asks for.
  public var plannedSteps: Int
  /// The evaluations of the run's log, in the order of their steps; may be empty.
  public var evaluations: [Evaluation]

  /// The numbers, one by one.
  public init(
    codes: Int, ids: Int, used: Int, perplexity: Double, depths: [CodebookUsage] = [],
    latents: VectorSpread,
    quantizationError: Double? = nil, bottleneck: Bottleneck, psnr: Double, baselinePSNR: Double,
    steps: Int,
    plannedSteps: Int,
    evaluations: [Evaluation]
  ) {
    self.codes = codes
    self.ids = ids
    self.used = used
    self.perplexity = perplexity
    self.depths = depths
    self.latents = latents
    self.quantizationError = quantizationError
    self.bottleneck = bottleneck
    self.psnr = psnr
    self.baselinePSNR = baselinePSNR
    self.steps = steps
    self.plannedSteps = plannedSteps
    self.evaluations = evaluations
  }

  /// The usage that uniform sampling of as many ids would show.
  public var expectedUniformUsage: Double {
    CodebookUsage.expectedUniformUsage(codes: codes, ids: ids)
  }

  /// The perplexity of as many ids by a Zipf law: see ``CodebookHealth/zipfPerplexity(codes:)``.
  public var zipfPerplexity: Double {
    CodebookHealth.zipfPerplexity(codes: expectedUniformUsage * Double(codes))
  }

  /// The fraction of the vectors' variance that remains after quantization: `mean |z - q|^2 / mean
  /// |z - mean z|^2`; nil where it is not known.
  public var unexplainedVariance: Double? {
    let variance = latents.deviation * latents.deviation
    return variance > 0 ? quantizationError.map { $0 / variance } : nil
  }

  /// How many dB were gained over the second half of the updates, by the log; nil if it cannot
  /// tell.
  ///
  /// Between evaluations PSNR is interpolated. A log that begins later than the half gives the
  /// gain since it begins.
  public var gainOfSecondHalf: Double? {
    guard let last = evaluations.last, let first = evaluations.first, first.step < last.step else {
      return nil
    }
    let half = Double(last.step) / 2
    guard let after = evaluations.first(where: { Double($0.step) >= half }) else { return nil }
    guard let before = evaluations.last(where: { Double($0.step) < half }) else {
      return last.psnr - after.psnr
    }
    let part = (half - Double(before.step)) / Double(after.step - before.step)
    return last.psnr - (before.psnr + part * (after.psnr - before.psnr))
  }
}
