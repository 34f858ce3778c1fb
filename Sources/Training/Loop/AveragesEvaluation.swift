import Diagnostics
import Execution

/// What is fitted to averaged weights before they are used, as averages alone may not fit together: a
/// codebook to the averaged encoder.
package protocol AveragesRefit {
  /// What is fitted, as it stands in names of weights: "ema+codebook".
  var name: String { get }
  /// Does something with weights fitted to those in memory, which come back afterwards.
  ///
  /// - Parameter shouldStop: asked now and then; where it says so, the work ends by
  ///   `CancellationError`.
  func withFitted<R>(_ shouldStop: () -> Bool, _ body: () throws -> R) throws -> R
}

/// Holds the last weights and the averages side by side, and decides which weights are saved.
final class AveragesEvaluation<B: Backend> {
  private let averages: IterateAverages<B>
  private let configuration: AveragingConfiguration
  private let evaluation: (any ModelEvaluation)?
  private let items: String
  private let refit: (any AveragesRefit)?
  private let savesFitted: Bool
  private let shouldStop: () -> Bool

  // The losses of the last weights at the evaluations so far.
  private var evaluations = 0.0
  private var lossSum = 0.0
  /// The least held-out loss of the last weights so far.
  private(set) var leastLoss: Double?

  /// Compares by an evaluation's held-out loss.
  ///
  /// - Parameters:
  ///   - items: what an item is, in the plural.
  ///   - refit: what is fitted to averages, where anything is.
  ///   - savesFitted: whether it is fitted to an average that is saved.
  init(
    _ configuration: AveragingConfiguration, averages: IterateAverages<B>,
    evaluation: (any ModelEvaluation)?, items: String, refit: (any AveragesRefit)?,
    savesFitted: Bool, shouldStop: @escaping () -> Bool
  ) {
    self.averages = averages
    self.configuration = configuration
    self.evaluation = evaluation
    self.items = items
    self.refit = refit
    self.savesFitted = savesFitted && refit != nil && configuration.savedKind != nil
    self.shouldStop = shouldStop
  }

  /// Evaluates the last weights and every average; nil where none is kept.
  ///
  /// ``leastLoss`` and what later comparisons look back on change at the end, if nothing failed.
  func compare() throws -> AveragesReport? {
    guard !averages.kinds.isEmpty, let evaluation, evaluation.heldOutItems > 0 else { return nil }
    let last = try evaluation.heldOutLoss()
    let (evaluations, lossSum) = (self.evaluations + 1, self.lossSum + last.loss)
    var entries = [
      AveragesReport.Entry(
        name: "last", loss: last.loss, statistics: last.statistics, jensenGap: nil)
    ]
    func add(_ name: String, _ result: HeldOutLoss) {
      entries.append(
        AveragesReport.Entry(
          name: name, loss: result.loss, statistics: result.statistics,
          jensenGap: lossSum / evaluations - result.loss))
    }
    for kind in averages.kinds {
      try averages.withWeights(of: kind) {
        add(kind.rawValue, try evaluation.heldOutLoss())
        guard let refit else { return }
        try refit.withFitted(shouldStop) {
          add(kind.rawValue + "+" + refit.name, try evaluation.heldOutLoss())
        }
      }
    }
    (self.evaluations, self.lossSum) = (evaluations, lossSum)
    leastLoss = min(leastLoss ?? .infinity, last.loss)
    return AveragesReport(count: evaluation.heldOutItems, items: items, entries: entries)
  }

  /// The name of the weights that are saved.
  var savedName: String {
    guard let kind = configuration.savedKind else { return "last" }
    return kind.rawValue + (savesFitted ? "+" + (refit?.name ?? "") : "")
  }

  /// Does something with the weights that are saved in place of the last ones.
  ///
  /// - Parameter isSaving: whether that must not be cut short, even on a request to stop.
  func withSavedWeights<R>(isSaving: Bool = false, _ body: () throws -> R) throws -> R {
    try averages.withWeights(of: configuration.savedKind) {
      guard savesFitted, let refit else { return try body() }
      return try refit.withFitted({ !isSaving && shouldStop() }, body)
    }
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
