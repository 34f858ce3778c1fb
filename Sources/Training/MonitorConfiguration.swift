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
