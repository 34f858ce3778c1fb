import Evaluation

/// The numbers that a verdict on a codebook rests on.
public struct HealthEvidence: Sendable {
  /// What is known of the bottleneck.
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
  /// Tokens that were counted, `n`.
  public var tokens: Int
  /// Codes used at least once.
  public var used: Int
  /// `exp(entropy)` of the codes' shares.
  public var perplexity: Double
  /// The vectors before quantization.
  public var latents: VectorSpread
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
  /// The evaluations of the run's journal, in the order of their steps; may be empty.
  public var evaluations: [Evaluation]

  /// The numbers, one by one.
  public init(
    codes: Int, tokens: Int, used: Int, perplexity: Double, latents: VectorSpread,
    bottleneck: Bottleneck, psnr: Double, baselinePSNR: Double, steps: Int,
    plannedSteps: Int,
    evaluations: [Evaluation]
  ) {
    self.codes = codes
    self.tokens = tokens
    self.used = used
    self.perplexity = perplexity
    self.latents = latents
    self.bottleneck = bottleneck
    self.psnr = psnr
    self.baselinePSNR = baselinePSNR
    self.steps = steps
    self.plannedSteps = plannedSteps
    self.evaluations = evaluations
  }

  /// The share of the codebook that as many tokens would use if each drew uniformly.
  public var expectedUniformUsage: Double {
    CodebookUsage.expectedUniformUsage(codes: codes, tokens: tokens)
  }

  /// How many dB were gained over the second half of the updates, by the journal; nil if it cannot
  /// tell.
  ///
  /// Between evaluations PSNR is interpolated. A journal that begins later than the half gives the
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
