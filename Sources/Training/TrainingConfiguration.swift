import Configuration

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
  ///
  /// Memory grows with it, speed hardly does. Measured on two lanes, the second best of three runs of
  /// a few steps: 64, 128 and 256 channels at 64x64 make 29.6 images/s with 2 images at a time in
  /// 385 MB, 30.2 with 4 in 528 MB, 30.7 with 8 in 818 MB; 32 and 64 channels at 32x32 make 511, 582
  /// and 575.
  public static let largestChosenMicroBatch = 4

  /// Updates of the weights.
  public var steps: Int
  /// Images per update.
  public var batchSize: Int
  /// Threads that compute gradients side by side.
  ///
  /// Results depend on it, and not on the machine.
  public var lanes: Int
  /// Images a lane computes at a time; 0 chooses, see `imagesPerReplay`.
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

  /// Describes a training run.
  public init(
    steps: Int = 1000, batchSize: Int = 64, lanes: Int = 2, microBatch: Int = 0, seed: Int = 0,
    reconstructionLoss: ReconstructionLoss = .squared,
    optimizer: OptimizerConfiguration = .adamw(AdamWConfiguration()),
    schedule: ScheduleConfiguration = .constant(WarmupConfiguration()), gradientClip: Double = 1
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
  }

  /// Images a lane computes at a time.
  ///
  /// This is `microBatch`, or where that is 0 the largest divisor of `batchSize / lanes` that is at
  /// most `largestChosenMicroBatch`.
  public var imagesPerReplay: Int {
    if microBatch > 0 { return microBatch }
    let perLane = max(1, batchSize / max(1, lanes))
    return (1...min(perLane, Self.largestChosenMicroBatch)).last { perLane % $0 == 0 } ?? 1
  }

  /// Replays each lane makes per update: `batchSize / (lanes * imagesPerReplay)`.
  public var replaysPerLane: Int { batchSize / (lanes * imagesPerReplay) }
}

extension TrainingConfiguration: Configurable {
  /// What the value is.
  public static let summary = "How the model is trained: how long, in what portions, by which rule."
  /// 1000 steps of 64 images with AdamW.
  public static let standard = TrainingConfiguration()

  /// Declares the fields.
  ///
  /// A micro-batch of 0 is replaced by the one it chooses, so that a saved configuration says it.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer("steps", &steps, in: .atLeast(1), "Updates of the weights.")
    fields.integer("batchSize", &batchSize, in: .between(1, 1 << 20), "Images per update.")
    fields.integer(
      "lanes", &lanes, in: .between(1, 1024),
      "Threads that compute gradients side by side; results depend on it, not on the machine.")
    fields.integer(
      "microBatch", &microBatch, in: .between(0, 1 << 20),
      "Images a lane computes at a time; 0 takes the largest divisor of batchSize / lanes up to "
        + "\(Self.largestChosenMicroBatch).")
    fields.integer(
      "seed", &seed, in: .atLeast(0),
      "Start of all random numbers: weights, order of images, crops.")
    fields.choice(
      "reconstructionLoss", &reconstructionLoss,
      "The distance between an image and its reconstruction, averaged over pixels and channels.")
    fields.object("optimizer", &optimizer, OptimizerConfiguration.summary)
    fields.object("schedule", &schedule, ScheduleConfiguration.summary)
    fields.number(
      "gradientClip", &gradientClip, in: .atLeast(0),
      "Largest norm of the gradient of all weights together; a longer one is shortened; 0 is off.")
    checkBatch(&fields)
    if lanes > 0, batchSize % lanes == 0 { microBatch = imagesPerReplay }
  }

  /// Checks that lanes share a batch evenly.
  private func checkBatch(_ fields: inout ConfigurationFields) {
    let (batch, lanes, micro) = (batchSize, lanes, microBatch)
    // Evaluated only once each of the three is known to be in range.
    var portion: Int { lanes * max(micro, 1) }
    var lower: Int { max(batch / portion, 1) * portion }
    fields.check(
      "batchSize", with: ["lanes", "microBatch"], batch % portion == 0,
      expected: micro > 0
        ? "a multiple of lanes * microBatch = \(lanes) * \(micro) = \(portion)"
        : "a multiple of lanes = \(lanes)",
      remedy: "The nearest are \(lower) and \(lower + portion).")
  }
}
