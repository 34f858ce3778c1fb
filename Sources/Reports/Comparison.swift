import Files
import Configuration
import Diagnostics
import Evaluation
import Formatting
import Foundation
import Tokenizers

/// Several runs on one set of images.
public struct Comparison: Sendable {
  /// The outcome of one run.
  public enum Outcome: Sendable {
    /// It was evaluated.
    case evaluated(EvaluatedRun)
    /// It could not be, for this reason.
    case failed(reason: String)
    /// There were no images to evaluate it on; this comes from its configuration and log.
    case recorded(RecordedRun)
    /// It is a prior: what tokens cost under it, from its log.
    case prior(PriorRun)
  }

  /// One run.
  public struct Entry: Sendable {
    /// The checkpoint's folder, as its user named it.
    public let checkpoint: String
    /// The outcome.
    public let outcome: Outcome
    /// Its resolved configuration; nil where that is not known.
    public let configuration: JSONObject?

    /// A run and its outcome.
    public init(checkpoint: String, outcome: Outcome, configuration: JSONObject? = nil) {
      self.checkpoint = checkpoint
      self.outcome = outcome
      self.configuration = configuration
    }

    /// The measurements, if there are any.
    public var run: EvaluatedRun? {
      if case .evaluated(let run) = outcome { run } else { nil }
    }

    /// What its log holds, if it was not evaluated.
    public var recorded: RecordedRun? {
      if case .recorded(let run) = outcome { run } else { nil }
    }

    /// What tokens cost, if it is a prior.
    public var prior: PriorRun? {
      if case .prior(let run) = outcome { run } else { nil }
    }
  }

  /// The runs, in the order asked for.
  public let entries: [Entry]
  /// How they were compared; nil where no run could be.
  public let evaluationProtocol: EvaluationProtocol?

  /// A comparison.
  public init(entries: [Entry], evaluationProtocol: EvaluationProtocol?) {
    self.entries = entries
    self.evaluationProtocol = evaluationProtocol
  }

  /// The runs' names: as many of the folders' last parts as distinguish them.
  ///
  /// A folder that was named twice has its place behind its name the second time.
  public var names: [String] {
    let parts = entries.map { $0.checkpoint.split(separator: "/").map(String.init) }
    let longest = max(1, parts.map(\.count).max() ?? 1)
    var names: [String] = []
    for length in 1...longest {
      names = zip(entries, parts).map { entry, parts in
        parts.isEmpty ? entry.checkpoint : parts.suffix(length).joined(separator: "/")
      }
      if Set(names).count == names.count { return names }
    }
    return names.enumerated().map { index, name in
      names[..<index].contains(name) ? "\(name) (\(index + 1))" : name
    }
  }
}

/// How runs were compared: which images, and what the numbers mean.
public struct EvaluationProtocol: Sendable, Equatable {
  /// The folder of the images.
  public var folder: String
  /// What they are, in words that follow a number: "images", "validation images".
  public var kind: String
  /// How many images were evaluated.
  public var images: Int
  /// How many there are.
  public var total: Int
  /// How an image became a square, in words.
  public var preparation: String
  /// The sides of the squares, in the order of the runs, each once.
  public var sizes: [Int]

  /// A protocol.
  public init(
    folder: String, kind: String = "validation images", images: Int, of total: Int,
    preparation: String, sizes: [Int]
  ) {
    self.folder = folder
    self.kind = kind
    self.images = images
    self.total = total
    self.preparation = preparation
    self.sizes = sizes
  }

  /// Which images, in words: "128 of 200 validation images in data/scenes/validation, evenly spaced".
  public var selection: String {
    if total == 1 {
      let one = kind.replacing("images", with: "image", maxReplacements: 1)
      return "the only \(one) in \(folder)"
    }
    let count = Display.count(images)
    return (images < total ? "\(count) of \(Display.count(total)) " : "all \(count) ")
      + "\(kind) in \(folder)" + (images < total ? ", evenly spaced" : "")
  }

  /// The sides in words: "32x32 pixels".
  public var squares: String { sizes.map { "\($0)x\($0)" }.joined(separator: ", ") + " pixels" }

  /// What was done, by keyword.
  public var statements: [(key: String, words: String)] {
    let different =
      sizes.count > 1
      ? " The runs differ in image size: each is evaluated at its own size, from the same "
        + "files, so compare PSNR, SSIM and bits/pixel only between runs of one size." : ""
    return [
      ("images", "\(selection), the same for all runs; \(preparation), \(squares).\(different)"),
      (
        "PSNR",
        "10 log10(255^2 / MSE) on 8-bit RGB after rounding, of the mean of the images' mean squared "
          + "errors."
      ),
      (
        "SSIM",
        "on 8-bit RGB, Gaussian window 11x11 with sigma 1.5, mean over positions, channels, images."
      ),
      (
        "usage",
        "codes used at least once by all n ids of the set, one a token at each depth; uniform is what uniform sampling "
          + "would show, 1 - (1 - 1/K)^n; perplexity is exp(entropy)."
      ),
      (
        "latents",
        "of autoencoders whose latents are not quantized: the effective rank of the latents' covariance; KL "
          + "in nats, the mean over images of the divergence of the latents' distributions from the standard "
          + "normal one; dead channels tell less than 0.01 nats a latent vector, or where there are no "
          + "distributions vary by less than 1% of the widest channel's deviation."
      ),
      (
        "error",
        "quantization error, the mean over tokens of |z - q|^2, summed over the channels of z (FSQ: "
          + "between bounded and rounded channel, scaled to -1...1); not comparable between quantizers."
      ),
      (
        "speed",
        "training: median of the run's log, on the machine that trained it; evaluation: encode, "
          + "quantize, decode, on this machine now."
      ),
      (
        "verdict",
        "codebook collapse: few codes are used, or few carry all tokens; embedding collapse: the "
          + "vectors before quantization, or the used codes, have collapsed to a point or a line; still "
          + "improving: PSNR rose by more than 1 dB over the second half of the run; too early to "
          + "judge: too few steps; posterior collapse: more than half of the channels of latents that are not "
          + "quantized are dead; healthy: none of these."
      ),
    ]
  }
}

/// Measurements of one run.
public struct EvaluatedRun: Sendable {
  /// The quantizer.
  public var quantizer: QuantizerPresentation
  /// Hash of its weights and configuration, by which priors name it; nil where that is not known.
  public var fingerprint: String?
  /// Side in pixels of the images it was evaluated on.
  public var imageSize: Int
  /// How many images those were.
  public var images: Int
  /// How many of those the run was trained on; nil if its training folder is missing.
  public var imagesTrainedOn: Int?
  /// How often each code was used, pooled over all depths of the tokens; of no codes where nothing is
  /// quantized.
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
  /// The singular values of its layers, where they were asked for.
  public var spectra: [LayerSpectrum] = []
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

  /// What the latents carry where nothing is quantized; else nil.
  public var latentUse: LatentUse? {
    if case .continuous(let use) = evidence.bottleneck { use } else { nil }
  }

  /// Whether nothing is quantized, so that there are no codes.
  public var isContinuous: Bool { latentUse != nil }

  /// Latents of an image over its pixels; nil where they are quantized.
  var latentsPerPixel: Double? {
    latentUse.map {
      $0.vectorsPerImage * Double($0.channels) / (Double(imageSize) * Double(imageSize))
    }
  }

  /// Tokens of the images: positions of their grids, each with an id at every depth.
  public var tokens: Int { usage.ids / max(1, usageByDepth.count) }

  /// Bits to tell one token, all its indices.
  public var bitsPerToken: Double {
    guard usage.codes > 0 else { return 0 }
    return Information.bitsPerToken(codes: usage.codes) * Double(max(1, usageByDepth.count))
  }

  /// Bits that a token carries: the logarithm of the perplexity, summed over its indices.
  public var entropyPerToken: Double {
    (usageByDepth.isEmpty ? [usage] : usageByDepth).reduce(0) { sum, usage in
      sum + (usage.perplexity > 0 ? log2(usage.perplexity) : 0)
    }
  }
}

/// What configuration and log say of a run that could not be evaluated without images.
public struct RecordedRun: Sendable {
  /// The quantizer; of a model of one's own that it is none.
  public var quantizer: QuantizerPresentation
  /// Whether it is a tokenizer, or else something whose log is all there is to compare.
  public var isTokenizer: Bool { quantizer.isTokenizer }
  /// How like real images those are that a continuous prior draws; nil where nobody has measured it.
  public var quality: QualityRecord?
  /// Hash of its weights and configuration, by which priors name it; nil where that is not known.
  public var fingerprint: String?
  /// The singular values of its layers, where they were asked for and its weights can be read.
  public var spectra: [LayerSpectrum] = []
  /// Numbers that were trained; nil where the weights could not be read.
  public var parameters: Int?
  /// Updates that were made.
  public var steps: Int
  /// Images, or other items, a second in training.
  public var trainingRate: Double?
  /// The training loss at the end, smoothed where the log has that.
  public var lastLoss: Double?
  /// The last evaluation's numbers by key; empty without one.
  public var evaluation: [String: Double]
  /// The step of that evaluation.
  public var evaluationStep: Int?

  /// What is known of a run.
  public init(
    quantizer: QuantizerPresentation, parameters: Int?, steps: Int, history: RunHistory
  ) {
    self.quantizer = quantizer
    self.parameters = parameters
    self.steps = steps
    let rates = ["imagesPerSecond", "examplesPerSecond", "microBatchesPerSecond"]
    trainingRate = rates.lazy.compactMap { history[.step, $0].median }.first
    lastLoss = history[.averageLoss, "smoothedLoss"].last ?? history[.step, "loss"].last
    evaluationStep =
      history[.evaluation, "psnr"].steps.last ?? history[.evaluation, "loss"].steps.last
    evaluation = [:]
    for key in history.keys(.evaluation) {
      evaluation[key] = history[.evaluation, key].last
    }
  }
}

extension RunHistory.Series {
  /// The median: pauses and other work on the machine do not move it.
  public var median: Double? {
    let sorted = values.sorted()
    guard !sorted.isEmpty else { return nil }
    let middle = sorted.count / 2
    return sorted.count.isMultiple(of: 2)
      ? (sorted[middle - 1] + sorted[middle]) / 2 : sorted[middle]
  }
}

extension QuantizerPresentation {
  /// None: a model of one's own.
  public static let model = none("model", "")
  /// None: the steps of a solver.
  public static let solver = none("solver", "")
  /// None: a continuous prior with a head over vectors, in words.
  public static func continuous(head: String, vectors: String) -> Self {
    none("continuous", "\(head) \(vectors)")
  }

  private static func none(_ kind: String, _ shape: String) -> Self {
    Self(kind: kind, shape: shape, facts: JSONObject(), codes: 0, measures: [], remedy: "")
  }

  /// Whether it is a tokenizer's: what the words above stand for is not.
  public var isTokenizer: Bool { !["model", "solver", "continuous", "prior"].contains(kind) }
  /// Whether it is a continuous prior, which draws images.
  public var drawsVectors: Bool { kind == "continuous" }
}
