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
