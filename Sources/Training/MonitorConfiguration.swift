import Configuration

/// What a run says of itself, and how often.
public struct MonitorConfiguration: Sendable, Equatable {
  /// Steps between two lines of the journal.
  public var logEvery: Int
  /// Steps between two evaluations.
  ///
  /// The last step is always evaluated.
  public var evaluateEvery: Int
  /// Images of an evaluation: the first so many of the validation images.
  public var evaluationImages: Int
  /// Images drawn over their reconstructions at each evaluation; 0 draws none.
  public var samples: Int
  /// Steps between two checkpoints.
  ///
  /// The last step always writes one.
  public var checkpointEvery: Int

  /// Describes the reports of a run.
  public init(
    logEvery: Int = 10, evaluateEvery: Int = 200, evaluationImages: Int = 256, samples: Int = 8,
    checkpointEvery: Int = 500
  ) {
    self.logEvery = logEvery
    self.evaluateEvery = evaluateEvery
    self.evaluationImages = evaluationImages
    self.samples = samples
    self.checkpointEvery = checkpointEvery
  }
}

extension MonitorConfiguration: Configurable {
  /// What the value is.
  public static let summary = "What a run says of itself, and how often."
  /// A line every 10 steps, an evaluation every 200, a checkpoint every 500.
  public static let standard = MonitorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer("logEvery", &logEvery, in: .atLeast(1), "Steps between two journal lines.")
    fields.integer(
      "evaluateEvery", &evaluateEvery, in: .atLeast(1),
      "Steps between two evaluations; the last step is always evaluated.")
    fields.integer(
      "evaluationImages", &evaluationImages, in: .atLeast(1),
      "Images of an evaluation: the first so many of the validation images.")
    fields.integer(
      "samples", &samples, in: .between(0, 256),
      "Images drawn over their reconstructions at each evaluation; 0 draws none.")
    fields.integer(
      "checkpointEvery", &checkpointEvery, in: .atLeast(1),
      "Steps between two checkpoints; the last step always writes one.")
  }
}
