import Files
import Configuration
import Diagnostics
import Execution

/// The averages of the weights over the steps of a run.
///
/// They are of `theta_1 ... theta_t`, the weights at which the gradients of the steps so far were
/// measured, as the theory of the average loss has it: an average lags the last weights by a step.
///
/// They are moved at every second step, towards two iterates in one pass, unless they are read
/// in between: how often they are moved decides over no bit of them, and memory is what moving costs.
final class IterateAverages<B: Backend> {
  private let parameters: ParameterMemory<B>
  private let steps: Int
  private var progress: [(kind: AverageKind, progress: AveragingProgress)]
  /// How far each average has yet to move towards the iterate that is held; empty where none is.
  private var heldShares: [Double] = []

  /// Averages as configured, of nothing yet.
  init(_ configuration: TrainingConfiguration, parameters: ParameterMemory<B>) {
    self.parameters = parameters
    steps = configuration.steps
    progress = configuration.averaging.rules.map { ($0.kind, AveragingProgress($0.rule)) }
  }

  /// The averages that are kept.
  var kinds: [AverageKind] { progress.map(\.kind) }

  /// Has the averages take in the weights of a step, counted from 1, with its update.
  ///
  /// - Parameter areRead: whether someone looks at the averages, or changes them, before the next step.
  func ask(
    _ request: inout UpdateRequest, step: Int, learningRate: Double, areRead: Bool
  ) {
    let shares = progress.indices.map {
      progress[$0].progress.share(step: step, of: steps, learningRate: learningRate)
    }
    guard !shares.isEmpty else { return }
    if heldShares.isEmpty && !areRead {
      request.holdsParameters = true
      heldShares = shares
      return
    }
    request.averages = shares.indices.map {
      UpdateRequest.Average(
        name: progress[$0].kind.rawValue, share: shares[$0],
        heldShare: heldShares.isEmpty ? nil : heldShares[$0])
    }
    heldShares = []
  }

  /// Applies the pending moves of the averages.
  private func settle() {
    for (entry, share) in zip(progress, heldShares) {
      parameters.moveAverage(entry.kind.rawValue, towards: .held, share: share)
    }
    heldShares = []
  }

  /// Where an average lies as of the last step, and what its floats leave out.
  func blocks(of kind: AverageKind) -> (average: ParameterBlock, rest: ParameterBlock) {
    settle()
    return (.average(kind.rawValue), .averageRest(kind.rawValue))
  }

  /// Does something with an average in place of the weights, which come back afterwards, bit by bit.
  ///
  /// - Parameter kind: nil for the weights themselves.
  func withWeights<R>(of kind: AverageKind?, _ body: () throws -> R) rethrows -> R {
    guard let kind else { return try body() }
    let block = blocks(of: kind).average
    parameters.exchange(.values, block)
    defer { parameters.exchange(.values, block) }
    return try body()
  }

  /// The squared distance of an average and another block.
  func squaredDistance(of kind: AverageKind, to block: ParameterBlock) -> Double {
    parameters.squaredDistance(blocks(of: kind).average, block)
  }

  // MARK: Checkpoints

  /// The blocks that a continuation needs.
  var blocks: [ParameterBlock] {
    kinds.map(blocks).flatMap { [$0.average, $0.rest] }
  }

  /// The numbers that a continuation needs, by name.
  var numbers: [String: [Double]] {
    Dictionary(
      uniqueKeysWithValues: progress.map { ("averaging.\($0.kind.rawValue)", $0.progress.state) })
  }

  /// Takes the numbers of a checkpoint.
  ///
  /// - Returns: the name of one that is missing or wrong, if any is.
  func restore(_ numbers: [String: [Double]]) -> String? {
    for (index, entry) in progress.enumerated() {
      let name = "averaging.\(entry.kind.rawValue)"
      guard let state = numbers[name],
        let restored = AveragingProgress(entry.progress.rule, state: state)
      else { return name }
      progress[index].progress = restored
    }
    return nil
  }
}

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

/// The last weights and the averages of a run, side by side on the same held-out items.
public struct AveragesReport: Sendable, Equatable {
  /// Evaluation of some weights on the items.
  public struct Entry: Sendable, Equatable {
    /// "last", the name of an average, or that and what was fitted to it, as in "ema+codebook".
    public let name: String
    /// The mean of what training minimizes.
    public let loss: Double
    /// Other means, by name, such as "psnr".
    public let statistics: [String: Double]
    /// The mean loss of the iterates evaluated so far, less that of the average; nil for "last".
    ///
    /// For a convex loss and the uniform average it is not negative (Jensen).
    public let jensenGap: Double?
  }

  /// How many items.
  public let count: Int
  /// What an item is, in the plural.
  public let items: String
  /// The last weights first.
  public let entries: [Entry]

  /// The log's line: `kind` is "averages".
  func line(step: Int) -> JSONObject {
    var line = JSONObject([
      "kind": .string("averages"), "step": .integer(step), items: .integer(count),
    ])
    for entry in entries {
      var object = JSONObject(["loss": .number(entry.loss)])
      for (name, value) in entry.statistics.sorted(by: { $0.key < $1.key }) {
        object.add(name, value)
      }
      if let gap = entry.jensenGap { object["jensenGap"] = .number(gap) }
      line[entry.name] = .object(object)
    }
    return line
  }
}
