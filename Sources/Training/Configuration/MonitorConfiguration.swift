import Configuration

/// What a run measures and records, and how often.
public struct MonitorConfiguration: Sendable, Equatable {
  /// What the best evaluated weights are best in.
  public enum Best: String, Sendable, CaseIterable {
    /// None are kept.
    case none
    /// The peak signal to noise ratio.
    case psnr
    /// The structural similarity.
    case ssim
    /// The bits of held-out tokens.
    case bits
    /// The loss on held-out images.
    case loss
  }

  /// Steps between lines of the metrics log.
  public var logEvery: Int
  /// Steps between two evaluations.
  ///
  /// The last step is always evaluated.
  public var evaluateEvery: Int
  /// Images of an evaluation, spread evenly over the validation images.
  public var evaluationImages: Int
  /// Images drawn over their reconstructions at each evaluation; 0 draws none.
  public var samples: Int
  /// Steps between two checkpoints.
  ///
  /// The last step always writes one.
  public var checkpointEvery: Int
  /// Steps between two diagnostics of the optimization and of the quantizer.
  public var diagnoseEvery: Int
  /// Whether the average loss is tracked and compared with the bounds of convex theory.
  ///
  /// Takes the memory of the weights, for those of the first step.
  public var averageLoss: Bool
  /// Whether to record cosines between updates and gradients, and between successive gradients.
  ///
  /// Takes the memory of the weights, for the gradient of the step before.
  public var cosines: Bool
  /// Whether diagnostics measure the decrease of the loss against the one predicted.
  ///
  /// Takes a forward pass over the batch each time.
  public var decrease: Bool
  /// Whether to record what the quantizer does to vectors and gradients.
  public var quantizer: Bool
  /// Whether evaluations of a tokenizer record stable and entropy rank of each layer.
  public var spectra: Bool
  /// Whether event files are written, for TensorBoard.
  public var tensorBoard: Bool
  /// By what measure the best evaluated weights are kept, beside the last ones.
  public var keepBest: Best

  /// Describes the reports of a run.
  public init(
    logEvery: Int = 10, evaluateEvery: Int = 200, evaluationImages: Int = 256, samples: Int = 8,
    checkpointEvery: Int = 500, diagnoseEvery: Int = 50, averageLoss: Bool = true,
    cosines: Bool = true, decrease: Bool = true, quantizer: Bool = true, spectra: Bool = true,
    tensorBoard: Bool = true, keepBest: Best = .none
  ) {
    self.logEvery = logEvery
    self.evaluateEvery = evaluateEvery
    self.evaluationImages = evaluationImages
    self.samples = samples
    self.checkpointEvery = checkpointEvery
    self.diagnoseEvery = diagnoseEvery
    self.averageLoss = averageLoss
    self.cosines = cosines
    self.decrease = decrease
    self.quantizer = quantizer
    self.spectra = spectra
    self.tensorBoard = tensorBoard
    self.keepBest = keepBest
  }
}

extension MonitorConfiguration: KindFields {
  /// Summary for the schema.
  public static let summary = "What a run measures and records, and how often."
  /// A line every 10 steps, a diagnosis every 50, an evaluation every 200, a checkpoint every 500.
  public static let standard = MonitorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    declare(&fields, of: .tokenizer)
  }

  mutating func declare(_ fields: inout ConfigurationFields, of kind: RunKind) {
    fields.integer(
      "logEvery", &logEvery, in: .atLeast(1), "Steps between lines of the metrics log.")
    fields.integer(
      "evaluateEvery", &evaluateEvery, in: .atLeast(1),
      "Steps between evaluations; the last step is always evaluated.")
    if kind != .model {
      fields.integer(
        "evaluationImages", &evaluationImages, in: .atLeast(1),
        "Images per evaluation, spread evenly over the validation images.")
    }
    if kind == .tokenizer {
      fields.integer(
        "samples", &samples, in: .between(0, 256),
        "Images saved above their reconstructions at each evaluation; 0 saves none.")
    }
    fields.integer(
      "checkpointEvery", &checkpointEvery, in: .atLeast(1),
      "Steps between checkpoints; the last step always writes one.")
    fields.integer(
      "diagnoseEvery", &diagnoseEvery, in: .atLeast(1),
      "Steps between diagnostics of optimizer and quantizer.")
    fields.flag(
      "averageLoss", &averageLoss,
      "Whether the average loss is tracked and compared with the bounds of convex theory.")
    fields.flag(
      "cosines", &cosines,
      "Whether to record cosines between updates and gradients, and between successive gradients.")
    fields.flag(
      "decrease", &decrease,
      "Whether to compare the measured decrease of the loss with the predicted one.")
    if kind == .tokenizer {
      fields.flag(
        "quantizer", &quantizer,
        "Whether to record what the quantizer does to vectors and gradients.")
      fields.flag(
        "spectra", &spectra,
        "Whether evaluations record stable and entropy rank of each layer's weight.")
    }
    fields.flag("tensorBoard", &tensorBoard, "Whether TensorBoard event files are written.")
    switch kind {
    case .tokenizer:
      fields.choice(
        "keepBest", &keepBest, among: [.none, .psnr, .ssim],
        "Evaluation metric by which the best weights are kept too, in best.safetensors.")
    case .prior:
      fields.choice(
        "keepBest", &keepBest, among: [.none, .bits],
        "Whether the weights of the fewest held-out bits are kept too, in best.safetensors.")
    case .continuous, .solver:
      fields.choice(
        "keepBest", &keepBest, among: [.none, .loss],
        "Whether the weights of the least held-out loss are kept too, in best.safetensors.")
    case .model: break
    }
  }
}
