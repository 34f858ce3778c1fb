import Diagnostics
import Execution
import Imaging

/// Holds the last weights and the averages side by side, and decides which weights are saved.
final class AveragesEvaluation<B: Backend> {
  private let averages: IterateAverages<B>
  private let configuration: AveragingConfiguration
  private let heldOut: HeldOutLoss<B>
  /// Images that no weights were trained on.
  private let images: [Image]
  /// What re-estimates codebooks; nil where none is trained entry by entry.
  private let reestimation: CodebookReestimation<B>?
  private let shouldStop: () -> Bool

  // The losses of the last weights at the evaluations so far.
  private var evaluations = 0.0
  private var lossSum = 0.0
  /// The least held-out loss of the last weights so far.
  private(set) var leastLoss: Double?

  init(
    _ configuration: AveragingConfiguration, averages: IterateAverages<B>,
    heldOut: HeldOutLoss<B>, images: [Image], reestimation: CodebookReestimation<B>?,
    shouldStop: @escaping () -> Bool
  ) {
    self.averages = averages
    self.configuration = configuration
    self.heldOut = heldOut
    self.images = images
    self.reestimation = reestimation
    self.shouldStop = shouldStop
  }

  /// Evaluates the last weights and every average; nil where none is kept.
  ///
  /// ``leastLoss`` and what later comparisons look back on change at the end, if nothing failed.
  func compare() throws -> AveragesReport? {
    guard !averages.kinds.isEmpty else { return nil }
    let last = try heldOut.evaluate(images)
    let (evaluations, lossSum) = (self.evaluations + 1, self.lossSum + last.loss)
    var entries = [
      AveragesReport.Entry(name: "last", loss: last.loss, psnr: last.psnr, jensenGap: nil)
    ]
    func add(_ name: String, _ result: HeldOutLoss<B>.Result) {
      entries.append(
        AveragesReport.Entry(
          name: name, loss: result.loss, psnr: result.psnr,
          jensenGap: lossSum / evaluations - result.loss))
    }
    for kind in averages.kinds {
      try averages.withWeights(of: kind) {
        add(kind.rawValue, try heldOut.evaluate(images))
        try reestimation?.withCodebooks(shouldStop) {
          add(kind.rawValue + "+codebook", try heldOut.evaluate(images))
        }
      }
    }
    (self.evaluations, self.lossSum) = (evaluations, lossSum)
    leastLoss = min(leastLoss ?? .infinity, last.loss)
    return AveragesReport(images: heldOut.evaluated(of: images.count), entries: entries)
  }

  /// The name of the weights that are saved.
  var savedName: String {
    guard let kind = configuration.savedKind else { return "last" }
    return kind.rawValue + (reestimates ? "+codebook" : "")
  }

  /// Does something with the weights that are saved in place of the last ones.
  ///
  /// - Parameter isSaving: whether that must not be cut short, even on a request to stop.
  func withSavedWeights<R>(isSaving: Bool = false, _ body: () throws -> R) throws -> R {
    try averages.withWeights(of: configuration.savedKind) {
      guard reestimates, let reestimation else { return try body() }
      return try reestimation.withCodebooks({ !isSaving && shouldStop() }, body)
    }
  }

  private var reestimates: Bool {
    reestimation != nil && configuration.savedKind != nil
      && configuration.codebook == .reestimated
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs.
  var numbers: [String: [Double]] {
    averages.kinds.isEmpty
      ? [:] : ["averaging.heldOut": [evaluations, lossSum, leastLoss ?? .infinity]]
  }

  /// Takes the numbers of a checkpoint.
  ///
  /// - Returns: the name of one that is missing or wrong, if any is.
  func restore(_ numbers: [String: [Double]]) -> String? {
    guard !averages.kinds.isEmpty else { return nil }
    guard let state = numbers["averaging.heldOut"], state.count == 3 else {
      return "averaging.heldOut"
    }
    (evaluations, lossSum) = (state[0], state[1])
    leastLoss = state[2].isFinite ? state[2] : nil
    return nil
  }
}
