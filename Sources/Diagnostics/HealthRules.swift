import Evaluation
import Formatting

/// The numbers that a verdict on a codebook rests on.
public struct HealthEvidence: Sendable {
  /// Facts about the bottleneck.
  public enum Bottleneck: Sendable {
    /// A trained codebook: the spread of all its entries, and of those that were used.
    case vector(codebook: VectorSpread, usedCodes: VectorSpread)
    /// Rounded channels: the use of their levels, and how wide a level is at the middle of each
    /// channel, in units of the latent before it is bounded.
    case finiteScalar(levels: LevelUse, levelWidths: [Double])
    /// Nothing is quantized: what the latents carry. There are no codes then.
    case continuous(LatentUse)
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

  /// The size of the codebook, `K`; 0 where nothing is quantized.
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

/// The rules of ``CodebookHealth``: each gives its reasons, none if it does not hold.
extension HealthEvidence {
  private typealias Threshold = CodebookHealth.Threshold

  /// Embedding collapse seen in the vectors before quantization.
  var concentrationOfVectors: [String] {
    var reasons: [String] = []
    switch bottleneck {
    case .continuous where !posteriorCollapse.isEmpty: break
    case .vector, .continuous:
      let vectors = isContinuous ? "the latents" : "the vectors before quantization"
      if latents.relative < Threshold.relativeSpread {
        reasons.append(
          "\(vectors) deviate from their mean by \(text(latents.deviation)), "
            + "\(Display.percent(latents.relative)) of their length \(text(latents.length))")
      } else if let rank = latents.effectiveRank, isLine(rank, channels: latents.dimension) {
        reasons.append(
          "\(vectors) lie nearly on a line: effective rank "
            + "\(text(rank)) of \(latents.dimension)")
      }
    case .finiteScalar(let levels, let widths):
      let deviations = zip(latents.variances, widths).map { $0.squareRoot() / $1 }
      if let widest = deviations.max(), widest < Threshold.levelShare {
        reasons.append(
          "the vectors before quantization deviate by at most \(Display.percent(widest)) of a level in "
            + "every channel")
      } else if let rank = levels.effectiveRank, isLine(rank, channels: levels.counts.count) {
        reasons.append(
          "the digits of all channels move together: effective rank \(text(rank)) of "
            + "\(levels.counts.count)")
      }
    }
    return reasons
  }

  /// Whether nothing is quantized.
  var isContinuous: Bool {
    if case .continuous = bottleneck { true } else { false }
  }

  /// Posterior collapse: most channels tell nothing.
  var posteriorCollapse: [String] {
    guard case .continuous(let use) = bottleneck, use.hasCollapsed else { return [] }
    return [use.collapseWords]
  }

  /// Codebook collapse: few codes, or few that count.
  var tokenCollapse: [String] {
    var reasons = collapse(codes: codes, ids: ids, used: used, perplexity: perplexity)
    if reasons.isEmpty, ids >= Threshold.ids, let left = unexplainedVariance,
      left > Threshold.unexplained, perplexity < leastUsage * zipfPerplexity
    {
      reasons.append(
        "the \(used) used codes carry no more than \(text(perplexity)) evenly used ones would "
          + "(perplexity; a Zipf law over all codes has \(text(zipfPerplexity))), and leave "
          + "\(Display.percent(left)) of the vectors' variance")
    }
    if reasons.isEmpty, depths.count > 1 {
      reasons = depths.enumerated().flatMap { depth, usage in
        collapse(
          codes: usage.codes, ids: usage.ids, used: usage.used, perplexity: usage.perplexity
        ).map { "at depth \(depth + 1) of \(depths.count), " + $0 }
      }
    }
    guard !reasons.isEmpty, case .vector(let codebook, _) = bottleneck else { return reasons }
    // Why: the codebook is not where the vectors are.
    if codebook.deviation < 0.1 * latents.deviation {
      reasons.append(
        "the codebook is narrow: its entries deviate from their mean by \(text(codebook.deviation)), "
          + "the vectors by \(text(latents.deviation))")
    } else if codebook.length > 10 * latents.length {
      reasons.append(
        "the codebook lies far out: its entries have length \(text(codebook.length)), the vectors "
          + text(latents.length))
    }
    return reasons
  }

  /// Evidence for collapse in the use of codes.
  private func collapse(codes: Int, ids: Int, used: Int, perplexity: Double) -> [String] {
    guard ids >= Threshold.ids, codes > 1 else { return [] }
    let expected =
      CodebookUsage.expectedUniformUsage(codes: codes, ids: ids) * Double(codes)
    if used == 1 || Double(used) < leastUsage * expected {
      return [
        "\(used) of \(codes) codes used by \(ids) \(unit), where uniform sampling would show "
          + "\(whole(expected))"
      ]
    }
    // A Zipf law over very many codes has less than a fixed share of them, and is no collapse.
    let few = min(
      Threshold.perplexity * Double(used),
      Threshold.usage * CodebookHealth.zipfPerplexity(codes: expected))
    if perplexity < max(few, CodebookHealth.leastPerplexity(codes: codes)) {
      return [
        "the \(used) used codes carry no more than \(text(perplexity)) evenly used ones would "
          + "(perplexity)"
      ]
    }
    return []
  }

  /// The lowest usage, relative to uniform sampling, that is no collapse.
  private var leastUsage: Double {
    lackOfTraining.isEmpty ? Threshold.usage : Threshold.usageInTraining
  }

  /// What is counted: a token has one id, or one at each depth.
  private var unit: String { depths.count > 1 ? "ids" : "tokens" }

  /// Embedding collapse seen in the codes alone.
  var concentrationOfCodes: [String] {
    guard used > 1, case .vector(_, let codes) = bottleneck else { return [] }
    if codes.relative < Threshold.relativeSpread {
      return [
        "the \(used) used codes are nearly equal: they deviate from their mean by "
          + "\(text(codes.deviation)), \(Display.percent(codes.relative)) of their length"
      ]
    }
    if codes.deviation < Threshold.relativeSpread * latents.deviation {
      return [
        "the \(used) used codes lie together: they deviate from their mean by "
          + "\(text(codes.deviation)), the vectors they stand for by \(text(latents.deviation))"
      ]
    }
    return []
  }

  /// Under-trained: few steps, a poor image, or one that still gets better fast.
  var lackOfTraining: [String] {
    var reasons: [String] = []
    if steps < Threshold.steps {
      reasons.append(
        "only \(steps) \(steps == 1 ? "step" : "steps"); \(Threshold.steps) are the least to judge by"
      )
    }
    if Double(steps) < Threshold.partOfRun * Double(plannedSteps) {
      reasons.append("\(steps) of the run's \(plannedSteps) steps were made")
    }
    if psnr < baselinePSNR {
      reasons.append(
        "PSNR \(decibels(psnr)) dB, below the \(decibels(baselinePSNR)) dB of each image's mean "
          + "colour")
    }
    if let gain = gainOfSecondHalf, gain > Threshold.gain {
      reasons.append(
        "PSNR still rose by \(decibels(gain)) dB over the second half of the run")
    }
    return reasons
  }

  /// Remarks that do not affect the verdict.
  var remarks: [String] {
    if case .continuous(let use) = bottleneck {
      guard let words = use.deadWords, !use.hasCollapsed else { return [] }
      return [
        words
          + (use.klByChannel == nil
            ? ": less than \(Display.percent(LatentUse.Threshold.deviation)) of the widest channel's deviation"
            : ": less than \(Display.significant(LatentUse.Threshold.nats, 2)) nats a latent vector")
      ]
    }
    var remarks: [String] = []
    if ids < Threshold.ids {
      remarks.append(
        "\(ids) \(unit) are too few to judge their use by; evaluate more images")
    } else if tokenCollapse.isEmpty,
      Double(used) < Threshold.usage * expectedUniformUsage * Double(codes)
    {
      remarks.append("so far \(used) of \(codes) codes are used by \(ids) \(unit)")
    }
    guard case .finiteScalar(let levels, _) = bottleneck, ids > 0 else { return remarks }
    for (channel, unused) in levels.unused.enumerated() where !unused.isEmpty {
      let count = levels.counts[channel].count
      if unused.count == count - 1, let level = levels.counts[channel].firstIndex(where: { $0 > 0 })
      {
        remarks.append("channel \(channel) stays on level \(level) of 0...\(count - 1)")
      } else {
        let list = unused.prefix(8).map(String.init).joined(separator: ", ")
        remarks.append(
          "channel \(channel) never uses level\(unused.count == 1 ? "" : "s") \(list)"
            + (unused.count > 8 ? " and \(unused.count - 8) more" : "") + " of 0...\(count - 1)")
      }
    }
    for (channel, share) in levels.endShares.enumerated()
    where levels.counts[channel].count >= 4 && share > Threshold.endShare
      && levels.unused[channel].count < levels.counts[channel].count - 1
    {
      remarks.append(
        "channel \(channel) is saturated: \(Display.percent(share)) of its tokens on its two end "
          + "levels")
    }
    return remarks
  }

  private func isLine(_ rank: Double, channels: Int) -> Bool {
    channels > 1 && rank < Threshold.rank(channels: channels)
  }

  private func text(_ value: Double) -> String { Display.significant(value, 3) }
  private func whole(_ value: Double) -> String { Display.decimals(value, 0) }
  private func decibels(_ value: Double) -> String { Display.decimals(value, 2) }
}

/// The least that a reconstruction must beat: each image replaced by its mean colour.
///
/// It takes three bytes an image, whatever its size. A tokenizer below it has learnt nothing that
/// differs within an image.
public struct MeanColourBaseline: Sendable {
  private var error = PeakSignalToNoise()

  /// No images yet.
  public init() {}

  /// Adds one image of interleaved RGB bytes; its mean colour is rounded to 8 bits.
  public mutating func add(_ pixels: [UInt8]) {
    precondition(!pixels.isEmpty && pixels.count % 3 == 0, "three bytes for each pixel")
    var sums = [0, 0, 0]
    for (index, value) in pixels.enumerated() { sums[index % 3] += Int(value) }
    let count = pixels.count / 3
    let mean = sums.map { UInt8(($0 + count / 2) / count) }
    error.add(pixels, pixels.indices.map { mean[$0 % 3] })
  }

  /// PSNR in dB, defined as everywhere; nil for no images.
  public var decibels: Double? { error.decibels }
}
