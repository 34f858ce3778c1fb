import Configuration
import Datasets
import Tokenizers

/// Everything a run depends on: the content of one file in `configs/`.
public struct RunConfiguration: Sendable, Equatable {
  /// Path of the schema by which editors complete and check the file, relative to it.
  public var schemaPath: String
  /// What is trained.
  public var kind = RunKind.tokenizer
  /// What the run trains, in what time, with what result.
  public var description: String
  /// The images.
  public var data: DataConfiguration
  /// The shape of the encoder and the decoder.
  public var model: ModelConfiguration
  /// The discrete bottleneck.
  public var quantizer: QuantizerConfiguration
  /// How the model is trained.
  public var training: TrainingConfiguration
  /// What the run measures and records, and how often.
  public var monitor: MonitorConfiguration

  /// Describes a run.
  public init(
    schemaPath: String = "tessera.schema.json", description: String = "",
    data: DataConfiguration, model: ModelConfiguration = ModelConfiguration(),
    quantizer: QuantizerConfiguration = .fsq(FiniteScalarConfiguration()),
    training: TrainingConfiguration = TrainingConfiguration(),
    monitor: MonitorConfiguration = MonitorConfiguration()
  ) {
    self.schemaPath = schemaPath
    self.description = description
    self.data = data
    self.model = model
    self.quantizer = quantizer
    self.training = training
    self.monitor = monitor
  }

  /// The start of all random numbers.
  var seed: UInt64 { UInt64(bitPattern: Int64(training.seed)) }

  /// Whether a step, counted from 1, leaves the decoder vectors that are not quantized.
  func defersQuantization(inStep step: Int) -> Bool { step <= training.deferQuantization }

  /// Whether codes that the optimizer trains are replaced between steps.
  var replacesTrainedCodes: Bool {
    guard quantizer.initialization != nil, quantizer.upkeep?.learning != .ema else { return false }
    return quantizer.upkeep?.reviveEvery ?? 0 > 0 || training.deferQuantization > 0
  }

  /// What the weights depend on.
  public var tokenizer: TokenizerConfiguration {
    TokenizerConfiguration(model: model, quantizer: quantizer)
  }
}

extension RunConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Everything a training run of Tessera depends on."
  /// A start that lacks the folder of images.
  public static let standard = RunConfiguration(data: .standard)

  /// Declares the fields, and checks that images fit the model.
  ///
  /// A micro-batch of 0 is replaced by the one it chooses, so that a saved configuration says it.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("$schema", &schemaPath, "Path of the JSON Schema, relative to this file.")
    fields.choice("kind", &kind, among: [.tokenizer], "What is trained.")
    fields.string(
      "description", &description, canBeEmpty: true,
      "What the run trains, in what time, with what result.")
    fields.object("data", &data, DataConfiguration.summary)
    fields.object("model", &model, ModelConfiguration.summary)
    fields.object("quantizer", &quantizer, QuantizerConfiguration.summary)
    fields.object("training", &training, TrainingConfiguration.summary)
    fields.object("monitor", &monitor, MonitorConfiguration.summary)
    let (side, factor, levels) = (data.imageSize, model.downsampling, model.channels.count)
    var lower: Int { max(side / factor, 1) * factor }
    fields.check(
      "data.imageSize", with: ["model.channels"], side % factor == 0,
      expected: "a multiple of \(factor), as the model's \(levels) levels halve it "
        + "\(levels - 1) times",
      remedy: "The nearest are \(lower) and \(lower + factor).")
    checkSizes(&fields)
    checkDeferral(&fields)
    let hasEntries = quantizer.initialization != nil
    fields.check(
      "training.averaging.codebook", with: ["quantizer"],
      hasEntries || training.averaging.codebook == .averaged,
      expected: "\"averaged\" with quantizer.type \"\(quantizer.kind)\", which trains no entries",
      remedy: "vq, cosine-vq, product-vq and residual-vq have codebooks to re-estimate.")
    if training.lanes > 0, training.batchSize > 0, training.batchSize % training.lanes == 0 {
      training.microBatch = training.imagesPerReplay(imageSize: side)
    }
  }

  /// Checks that lanes share the batches of all sizes evenly.
  private func checkSizes(_ fields: inout ConfigurationFields) {
    let (batch, lanes, multiples) = (
      training.batchSize, max(1, training.lanes), data.sizeMultiples
    )
    // Evaluated only once each of the three is known to be in range.
    var multiple: Int { multiples.first { batch % (lanes * $0 * $0) != 0 } ?? 1 }
    var portion: Int { lanes * multiple * multiple }
    fields.check(
      "training.batchSize", with: ["training.lanes", "data.sizeMultiples"], batch % portion == 0,
      expected:
        "a multiple of lanes * \(multiple)^2 = \(portion), as a batch has 1/\(multiple)^2 as "
        + "many images of \(multiple) times the side (data.sizeMultiples)",
      remedy: "The nearest is \((batch + portion - 1) / portion * portion).")
  }

  /// Checks that a quantizer supports deferred quantization.
  private func checkDeferral(_ fields: inout ConfigurationFields) {
    let (isDeferred, kind) = (training.deferQuantization > 0, quantizer.kind)
    fields.check(
      "training.deferQuantization", with: ["quantizer"], !isDeferred || quantizer.canBeDeferred,
      expected: "0 with quantizer.type \"\(kind)\", which cannot be initialized from vectors later",
      remedy: "All but simvq, lfq and bsq can be deferred.")
    fields.check(
      "quantizer.initialization", with: ["training.deferQuantization"],
      !isDeferred || quantizer.initialization?.isOfVectors ?? true,
      expected: "\"encoder\", \"k-means\" or \"skeleton\" with deferred quantization, as "
        + "random codes would lie far from the vectors",
      remedy: "Or set training.deferQuantization to 0.")
  }
}

extension RunConfiguration {
  /// The run with its lanes chosen, where it leaves that to the machine: as many as there are cores, or
  /// the largest number below that shares a batch evenly.
  ///
  /// Results depend on the lanes, so a run records them.
  public func choosingLanes(cores: Int) -> RunConfiguration {
    var run = self
    if run.training.lanes == 0 { run.training.lanes = lanes(cores: cores) }
    if run.training.microBatch == 0 {
      run.training.microBatch = run.training.imagesPerReplay(imageSize: data.imageSize)
    }
    return run
  }

  /// The most lanes, at most one a core, among which batches of all sizes are shared evenly.
  public func lanes(cores: Int) -> Int {
    let (batch, micro) = (training.batchSize, max(1, training.microBatch))
    let most = max(1, min(cores, TrainingConfiguration.mostLanes, batch))
    return (1...most).last { lanes in
      batch % (lanes * micro) == 0
        && data.sizeMultiples.allSatisfy { batch % (lanes * $0 * $0) == 0 }
    } ?? 1
  }
}
