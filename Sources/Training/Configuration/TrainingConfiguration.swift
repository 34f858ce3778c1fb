import Configuration
import Tokenizers

/// How a model is trained: how long, in what portions, by which rule.
public struct TrainingConfiguration: Sendable, Equatable {
  /// The distance between an image and its reconstruction, averaged over pixels and channels.
  public enum ReconstructionLoss: String, Sendable, CaseIterable {
    /// The squared difference.
    case squared
    /// The absolute difference.
    case absolute
  }

  /// The largest micro-batch that is chosen when `microBatch` is 0.
  public static let largestChosenMicroBatch = 8
  /// The most pixels of a micro-batch that is chosen, unless one image has more.
  ///
  /// Memory grows with them, and speed does not: with one, two, four or eight times this many
  /// the networks of `configs/bench-*.json` train alike, to within the noise of 4%.
  public static let mostChosenPixels = 16_384

  /// The most updates of a run: with the largest batch, images are still counted in 64 bits.
  public static let mostSteps = 1_000_000_000_000

  /// Updates of the weights.
  public var steps: Int
  /// Images per update.
  public var batchSize: Int
  /// The most lanes.
  public static let mostLanes = 1024

  /// Threads that compute gradients side by side; 0 takes as many as there are cores, see
  /// ``RunConfiguration/choosingLanes(cores:)``.
  ///
  /// Results depend on it, so that a run records the number it was trained with.
  public var lanes: Int
  /// Images a lane computes at a time; 0 chooses, see `imagesPerReplay(imageSize:)`.
  public var microBatch: Int
  /// Start of all random numbers: weights, order of images, crops.
  public var seed: Int
  /// The distance between an image and its reconstruction.
  public var reconstructionLoss: ReconstructionLoss
  /// The rule that turns gradients into updates.
  public var optimizer: OptimizerConfiguration
  /// How the step size changes during the run.
  public var schedule: ScheduleConfiguration
  /// Largest norm of the gradient of all weights together; a longer one is shortened.
  ///
  /// 0 is off.
  public var gradientClip: Double
  /// The parts of a tokenizer that keep the weights they begin with.
  ///
  /// They get no gradient, no update and no weight decay, and averages hold them as they are. Nothing
  /// is done to the codebooks of a frozen quantizer: no EMA updates, no revival, no initialization.
  public var freeze: Set<TokenizerPart>
  /// Steps at the start in which the decoder sees vectors that are not quantized; 0 is none.
  ///
  /// Then codebooks are initialized from encoder outputs, and training continues quantized.
  public var deferQuantization: Int
  /// Averages of the weights over steps.
  public var averaging: AveragingConfiguration
  /// Evaluations without improvement after which a run ends; 0 is off.
  public var patience: Int
  /// Smallest improvement that resets patience, in dB of PSNR, or in SSIM where
  /// `monitor.keepBest` is that.
  public var minDelta: Double

  /// Describes a training run.
  public init(
    steps: Int = 1000, batchSize: Int = 64, lanes: Int = 0, microBatch: Int = 0, seed: Int = 0,
    reconstructionLoss: ReconstructionLoss = .squared,
    optimizer: OptimizerConfiguration = .adamw(AdamWConfiguration()),
    schedule: ScheduleConfiguration = .constant(WarmupConfiguration()), gradientClip: Double = 1,
    freeze: Set<TokenizerPart> = [], deferQuantization: Int = 0,
    averaging: AveragingConfiguration = AveragingConfiguration(),
    patience: Int = 0, minDelta: Double = 0
  ) {
    self.steps = steps
    self.batchSize = batchSize
    self.lanes = lanes
    self.microBatch = microBatch
    self.seed = seed
    self.reconstructionLoss = reconstructionLoss
    self.optimizer = optimizer
    self.schedule = schedule
    self.gradientClip = gradientClip
    self.freeze = freeze
    self.deferQuantization = deferQuantization
    self.averaging = averaging
    self.patience = patience
    self.minDelta = minDelta
  }

  /// Images a lane computes at a time.
  ///
  /// This is `microBatch`, or where that is 0 the largest divisor of `batchSize / lanes` that is at
  /// most `largestChosenMicroBatch` and has at most `mostChosenPixels` pixels.
  public func imagesPerReplay(imageSize: Int) -> Int {
    if microBatch > 0 { return microBatch }
    let perLane = max(1, batchSize / max(1, lanes))
    let side = min(max(1, imageSize), Self.mostChosenPixels)
    let fitting = Self.mostChosenPixels / (side * side)
    let most = max(1, min(perLane, Self.largestChosenMicroBatch, fitting))
    return (1...most).last { perLane % $0 == 0 } ?? 1
  }

  /// The same for images of a multiple of the usual side, of which a batch has `1 / multiple^2` as many.
  func forImages(multiple: Int) -> TrainingConfiguration {
    guard multiple > 1 else { return self }
    var result = self
    result.batchSize = batchSize / (multiple * multiple)
    result.microBatch = 0
    return result
  }

  /// Replays each lane makes per update: `batchSize / (lanes * imagesPerReplay)`.
  public func replaysPerLane(imageSize: Int) -> Int {
    batchSize / (max(1, lanes) * imagesPerReplay(imageSize: imageSize))
  }
}

extension TrainingConfiguration: KindFields {
  /// Summary for the schema.
  public static let summary = "How the model is trained: steps, batches, optimizer, schedule."
  /// 1000 steps of 64 images with AdamW.
  public static let standard = TrainingConfiguration()

  /// Declares the fields.
  ///
  /// The run replaces a micro-batch of 0 by the one it chooses.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declare(&fields, of: .tokenizer)
  }

  mutating func declare(_ fields: inout ConfigurationFields, of kind: RunKind) {
    let (isTokenizer, items) = (kind == .tokenizer, kind == .model ? "Items" : "Images")
    fields.integer("steps", &steps, in: .between(1, Self.mostSteps), "Optimizer steps.")
    fields.integer("batchSize", &batchSize, in: .between(1, 1 << 20), "\(items) per update.")
    fields.integer(
      "lanes", &lanes, in: .between(0, Self.mostLanes),
      "Threads that compute gradients in parallel, each with its own memory; 0 takes the largest "
        + "divisor of batchSize up to the number of cores. Results depend on it, so the run "
        + "records it.")
    if kind != .model {
      let most =
        isTokenizer
        ? "\(Self.largestChosenMicroBatch) images and \(Self.mostChosenPixels) pixels"
        : kind == .prior
          ? "\(PriorRunConfiguration.mostChosenIDs) tokens"
          : "\(ContinuousRunConfiguration.mostChosenRows) rows of the head"
      fields.integer(
        "microBatch", &microBatch, in: .between(0, 1 << 20),
        "Images a lane computes at a time; 0 takes the largest divisor of batchSize / lanes up to "
          + most + ".")
    }
    fields.integer(
      "seed", &seed, in: .atLeast(0),
      isTokenizer
        ? "Random seed of weights, image order and crops."
        : kind == .prior
          ? "Random seed of weights, image order and dropout."
          : kind == .model
            ? "Random seed of weights." : "Random seed of weights, image order and noise.")
    if isTokenizer {
      fields.choice(
        "reconstructionLoss", &reconstructionLoss, aliases: ["l2": .squared, "l1": .absolute],
        "Error between an image and its reconstruction, averaged over pixels and channels.")
    }
    fields.object("optimizer", &optimizer, OptimizerConfiguration.summary)
    fields.object("schedule", &schedule, ScheduleConfiguration.summary)
    fields.number(
      "gradientClip", &gradientClip, in: .atLeast(0), isSingle: true,
      "Maximum global gradient norm (clipping); 0 is off.")
    if isTokenizer {
      fields.choices(
        "freeze", &freeze,
        "Parts that keep the weights of the checkpoint that the run starts from (--from): the "
          + "encoder with quant_conv, the quantizer, the decoder with post_quant_conv. With encoder "
          + "and quantizer frozen, images keep their tokens. A frozen quantizer has no EMA updates, "
          + "revival or initialization.")
      fields.integer(
        "deferQuantization", &deferQuantization, in: .atLeast(0),
        "Delayed quantization: for this many steps the decoder sees unquantized vectors; then "
          + "codebooks are initialized from encoder outputs. 0 is off.")
      fields.object("averaging", &averaging, AveragingConfiguration.summary)
    } else {
      fields.object(
        "averaging", &averaging[as: ModelRunConfiguration.self], AveragingConfiguration.summary)
    }
    fields.integer(
      "patience", &patience, in: .atLeast(0),
      "Evaluations without improvement after which the run ends; 0 is off.")
    fields.number(
      "minDelta", &minDelta, in: .atLeast(0),
      isTokenizer
        ? "Smallest improvement that resets patience: in dB, or in SSIM with "
          + "monitor.keepBest = ssim."
        : kind == .prior
          ? "Smallest improvement that resets patience, in bits per token."
          : "Smallest improvement of the loss that resets patience.")
    checkBatch(&fields)
    guard isTokenizer else { return }
    fields.check(
      "deferQuantization", with: ["steps"], deferQuantization < steps,
      expected: "fewer than the \(steps) steps of the run, otherwise nothing would be quantized",
      remedy: "Typical is a tenth of them.")
  }

  /// Checks that lanes share a batch evenly.
  private func checkBatch(_ fields: inout ConfigurationFields) {
    let (batch, lanes, micro) = (batchSize, max(1, lanes), microBatch)
    // Evaluated only once each of the three is known to be in range.
    var portion: Int { lanes * max(micro, 1) }
    var lower: Int { max(batch / portion, 1) * portion }
    fields.check(
      "batchSize", with: ["lanes", "microBatch"], batch % portion == 0,
      expected: micro > 0 && self.lanes == 0
        ? "a multiple of microBatch = \(micro)"
        : micro > 0
          ? "a multiple of lanes * microBatch = \(lanes) * \(micro) = \(portion)"
          : "a multiple of lanes = \(lanes)",
      remedy: "The nearest are \(lower) and \(lower + portion).")
  }
}
