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
  /// Where the weights come from, if they were not trained here.
  public var origin = ImportedOrigin()
  /// The images.
  public var data: DataConfiguration
  /// The shape of the encoder and the decoder.
  public var model: ModelConfiguration
  /// The bottleneck.
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
    guard let upkeep, upkeep.learning != .ema else { return false }
    return upkeep.reviveEvery > 0 || training.deferQuantization > 0
  }

  /// Updates of codebooks between steps; nil where there are none, and where the quantizer is frozen.
  var upkeep: CodebookUpkeep? {
    training.freeze.contains(.quantizer) ? nil : quantizer.upkeep
  }

  /// Whether images keep the tokens, or latents, that they have before the first step.
  var keepsTokens: Bool {
    training.freeze.contains(.encoder)
      && (training.freeze.contains(.quantizer) || !quantizer.hasWeights)
  }

  /// What the weights depend on.
  public var tokenizer: TokenizerConfiguration {
    var tokenizer = TokenizerConfiguration(model: model, quantizer: quantizer)
    tokenizer.hasDecoder = origin.parts == .whole
    return tokenizer
  }

  /// The same with the parts that the run does not train: what its graphs are recorded of.
  var trainedTokenizer: TokenizerConfiguration {
    var tokenizer = tokenizer
    tokenizer.frozen = training.freeze
    return tokenizer
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
    fields.object(
      "origin", &origin, isWritten: { $0 != .standard }, ImportedOrigin.summary)
    data.mayLackImages = origin != .standard
    fields.object("data", &data, DataConfiguration.summary)
    fields.object("model", &model, ModelConfiguration.summary)
    fields.object("quantizer", &quantizer, QuantizerConfiguration.summary)
    fields.object("training", &training, TrainingConfiguration.summary)
    fields.object("monitor", &monitor, MonitorConfiguration.summary)
    tokenizer.checkCompression(&fields)
    let (side, factor) = (data.imageSize, model.downsampling)
    var lower: Int { max(side / factor, 1) * factor }
    fields.check(
      "data.imageSize", with: ["model.channels", "model.layout"], side % factor == 0,
      expected: "a multiple of \(factor), as a token stands for \(factor)x\(factor) pixels",
      remedy: "The nearest are \(lower) and \(lower + factor).")
    checkSizes(&fields)
    checkDeferral(&fields)
    checkLatents(&fields)
    checkFreezing(&fields)
    let hasEntries = quantizer.initialization != nil
    fields.check(
      "training.averaging.codebook", with: ["quantizer"],
      hasEntries || training.averaging.codebook == .averaged,
      expected: "\"averaged\" with quantizer.type \"\(quantizer.kind)\", which trains no entries",
      remedy: "\(QuantizerConfiguration.list { $0.trainsEntries }) have codebooks to re-estimate.")
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

  /// Checks that the encoder puts out as many channels as latents have.
  private func checkLatents(_ fields: inout ConfigurationFields) {
    guard quantizer.isContinuous else { return }
    let (channels, latent) = (quantizer.codeDimension, model.latentChannels)
    fields.check(
      "quantizer.channels", with: ["model.latentChannels"], channels <= latent,
      expected: "at most model.latentChannels = \(latent), as quant_conv can make no more of fewer",
      remedy: "Or set model.latentChannels to \(channels).")
  }

  /// Checks that frozen parts leave something to train, and that nothing else asks to change them.
  private func checkFreezing(_ fields: inout ConfigurationFields) {
    let (frozen, kind) = (training.freeze, quantizer.kind)
    let isFixed = frozen.contains(.quantizer)
    fields.check(
      "training.freeze", with: ["quantizer"],
      !frozen.isSuperset(of: [.encoder, .decoder])
        || !isFixed && quantizer.hasTrainedWeights,
      expected: isFixed
        ? "at most two of the three parts, as nothing would be trained"
        : "one of encoder and decoder to be left, as the optimizer trains nothing of "
          + "quantizer.type \"\(kind)\"")
    fields.check(
      "training.deferQuantization", with: ["training.freeze"],
      !isFixed || training.deferQuantization == 0,
      expected: "0 with a frozen quantizer (training.freeze), whose codebooks are not made again")
    fields.check(
      "training.averaging.codebook", with: ["training.freeze"],
      !isFixed || training.averaging.codebook == .averaged,
      expected: "\"averaged\" with a frozen quantizer (training.freeze), which keeps its codebooks")
  }

  /// Checks that a quantizer supports deferred quantization.
  private func checkDeferral(_ fields: inout ConfigurationFields) {
    let (isDeferred, kind) = (training.deferQuantization > 0, quantizer.kind)
    fields.check(
      "training.deferQuantization", with: ["quantizer"], !isDeferred || quantizer.canBeDeferred,
      expected: "0 with quantizer.type \"\(kind)\", which "
        + (quantizer.isContinuous
          ? "quantizes nothing" : "cannot be initialized from vectors later"),
      remedy: "All but \(QuantizerConfiguration.list { !$0.canBeDeferred }) can be deferred.")
    fields.check(
      "quantizer.initialization", with: ["training.deferQuantization"],
      !isDeferred || quantizer.initialization?.isOfVectors ?? true,
      expected: "\"encoder\", \"k-means\" or \"skeleton\" with deferred quantization, as "
        + "random codes would lie far from the vectors",
      remedy: "Or set training.deferQuantization to 0.")
  }
}

/// Where imported weights come from: part of the configuration of a checkpoint that `import` wrote.
///
/// Such a configuration needs no images. Training drops it.
public struct ImportedOrigin: Sendable, Equatable {
  /// The family of tokenizers, as `import --from` names it.
  public var family = ""
  /// The file that held the weights.
  public var file = ""
  /// What of a tokenizer the weights are.
  public var parts = Parts.whole

  /// What of a tokenizer weights can be.
  public enum Parts: String, Sendable, CaseIterable {
    /// All of it.
    case whole
    /// From images to tokens: there is no decoder.
    case encoder
  }

  /// Weights that were trained here.
  public init(family: String = "", file: String = "", parts: Parts = .whole) {
    (self.family, self.file, self.parts) = (family, file, parts)
  }
}

extension ImportedOrigin: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Where the weights come from, if they were imported; absent where they were trained here."
  /// Weights that were trained here.
  public static let standard = ImportedOrigin()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("family", &family, canBeEmpty: true, "The family of tokenizers.")
    fields.string("file", &file, canBeEmpty: true, "The file that held the weights.")
    fields.choice(
      "parts", &parts, isWritten: { $0 != .whole },
      "Whether the weights are a whole tokenizer, or an encoder alone, which decodes nothing.")
  }
}

extension RunConfiguration {
  /// The run with its lanes chosen, where it leaves that to the machine: as many as there are cores, or
  /// the largest number below that shares a batch evenly.
  ///
  /// Results depend on the lanes, so a run records them.
  ///
  /// - Parameter processes: how many share the lanes evenly.
  public func choosingLanes(cores: Int, processes: Int = 1) -> RunConfiguration {
    var run = self
    if run.training.lanes == 0 {
      run.training.lanes = lanes(cores: cores, processes: processes)
    }
    if run.training.microBatch == 0 {
      run.training.microBatch = run.training.imagesPerReplay(imageSize: data.imageSize)
    }
    return run
  }

  /// The most lanes, at most one a core, among which batches of all sizes are shared evenly.
  ///
  /// - Parameter processes: how many share the lanes evenly; as many lanes where more of them cannot be had.
  public func lanes(cores: Int, processes: Int = 1) -> Int {
    let (batch, micro) = (training.batchSize, max(1, training.microBatch))
    let most = max(processes, min(cores, TrainingConfiguration.mostLanes, batch))
    return stride(from: processes, through: most, by: processes).reversed().first { lanes in
      batch % (lanes * micro) == 0
        && data.sizeMultiples.allSatisfy { batch % (lanes * $0 * $0) == 0 }
    } ?? processes
  }
}

extension RunConfiguration {
  /// What users of other programs write, and the key that stands for it.
  public static let habits: [KeyHabit] = [
    KeyHabit("lr", "learning_rate", "base_lr", "max_lr", path: "training.optimizer.learningRate"),
    KeyHabit("bs", "batch", "per_device_batch_size", "mini_batch", path: "training.batchSize"),
    KeyHabit(
      "epochs", "epoch", "num_epochs", "max_epochs", "n_epochs", path: "training.steps",
      note: "One epoch is as many steps as there are training images over training.batchSize."),
    KeyHabit(
      "iterations", "iters", "max_steps", "num_steps", "max_iters", "total_steps", "train_steps",
      path: "training.steps"),
    KeyHabit("wd", "l2_regularization", path: "training.optimizer.weightDecay"),
    KeyHabit(
      "optim", "optimizer_name", "optimizer_type", path: "training.optimizer.type"),
    KeyHabit("betas", path: "training.optimizer.beta1", note: "The other is beta2."),
    KeyHabit("eps", path: "training.optimizer.epsilon"),
    KeyHabit(
      "scheduler", "lr_scheduler", "lr_schedule", "decay", path: "training.schedule.type"),
    KeyHabit(
      "warmup_steps", "num_warmup_steps", "warmup_iters", path: "training.schedule.warmup"),
    KeyHabit("min_lr", "final_lr", "end_lr", path: "training.schedule.finalShare"),
    KeyHabit(
      "clip", "grad_clip", "clip_grad", "max_grad_norm", "gradient_clip_val", "clip_norm",
      path: "training.gradientClip"),
    KeyHabit(
      "freeze_encoder", "freeze_decoder", "freeze_quantizer", "freeze_codebook", "frozen",
      "requires_grad", "trainable",
      note: "training.freeze lists the parts that are not trained, as in --set "
        + #"'training.freeze=["encoder", "quantizer"]'."#),
    KeyHabit("loss", "recon_loss", "loss_type", path: "training.reconstructionLoss"),
    KeyHabit("random_seed", path: "training.seed"),
    KeyHabit("ema", "use_ema", "model_ema", path: "training.averaging.ema"),
    KeyHabit("ema_rate", "model_ema_decay", path: "training.averaging.emaDecay"),
    KeyHabit(
      "grad_accum", "gradient_accumulation_steps", "accumulate_grad_batches",
      "micro_batch_size", path: "training.microBatch",
      note: "A batch of any size is computed in micro-batches: only training.batchSize changes "
        + "results."),
    KeyHabit(
      "workers", "num_workers", "jobs", "cores", "cpus", "nproc", path: "training.lanes",
      note: "Lanes are the threads that train; data.threads are those that load."),
    KeyHabit(
      "size", "image_size", "img_size", "imgsz", "resolution", "crop_size", "input_size", "res",
      path: "data.imageSize"),
    KeyHabit(
      "dataset", "data_dir", "data_path", "train_dir", "train_data", "data_root", "root",
      path: "data.train"),
    KeyHabit("val", "val_dir", "val_data", "eval_data", "test", path: "data.validation"),
    KeyHabit("val_split", "test_size", "holdout", path: "data.validationShare"),
    KeyHabit("hflip", "horizontal_flip", "augment", path: "data.flip"),
    KeyHabit("cache", "cache_size", path: "data.cacheMegabytes"),
    KeyHabit(
      "codebook_size", "num_codes", "n_embed", "num_embeddings", "vocab_size", "codes",
      "n_codes", "k", path: "quantizer.codebookSize",
      note: "With type \"fsq\" it is the product of quantizer.levels."),
    KeyHabit(
      "embed_dim", "code_dim", "embedding_dim", "codebook_dim", "e_dim",
      path: "quantizer.codeDimension"),
    KeyHabit("quantizer_type", "quant", "vq_type", path: "quantizer.type"),
    KeyHabit("kl_weight", "kl_scale", path: "quantizer.weight"),
    KeyHabit("beta", "commitment_cost", "commitment", path: "quantizer.commitmentWeight"),
    KeyHabit("z_channels", "latent_dim", "latent_channels", path: "model.latentChannels"),
    KeyHabit(
      "ch_mult", "width", "base_channels", "hidden_dim", "ch", "dim", path: "model.channels",
      note: "One entry a level: each level after the first halves the grid."),
    KeyHabit("num_res_blocks", "depth", "n_layers", "layers", path: "model.blocksPerLevel"),
    KeyHabit("attn_resolutions", "attention", path: "model.attentionLevels"),
    KeyHabit(
      "log_interval", "log_freq", "log_every", "logging_steps", path: "monitor.logEvery"),
    KeyHabit(
      "eval_interval", "eval_every", "val_interval", "eval_steps", "val_check_interval",
      path: "monitor.evaluateEvery"),
    KeyHabit(
      "save_interval", "save_every", "save_steps", "ckpt_interval", "checkpoint_interval",
      path: "monitor.checkpointEvery"),
    KeyHabit(
      "wandb", "logger", "report_to", "tensorboard", path: "monitor.tensorBoard",
      note: "Every run also writes metrics.jsonl, and compare --html makes a page of it."),
    KeyHabit(
      "device", "gpu", "gpus", "cuda", "accelerator", "devices", "mps",
      note: "Training is on the CPU alone; training.lanes says how many cores it uses."),
    KeyHabit(
      "fp16", "amp", "bf16", "precision", "mixed_precision", "half", "dtype",
      note: "All numbers are 32-bit floats; there is no other precision."),
    KeyHabit(
      "compile", "ddp", "distributed", "fsdp", "deterministic",
      note: "There is nothing to set: runs use one process and are always deterministic."),
  ]
}
