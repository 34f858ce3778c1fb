/// What configuration and log say of a run that could not be evaluated without images.
public struct RecordedRun: Sendable {
  /// The quantizer.
  public var quantizer: QuantizerPresentation
  /// Numbers that were trained; nil where the weights could not be read.
  public var parameters: Int?
  /// Updates that were made.
  public var steps: Int
  /// Images a second in training.
  public var trainingRate: Double?
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
    trainingRate = history[.step, "imagesPerSecond"].median
    evaluationStep = history[.evaluation, "psnr"].steps.last
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
