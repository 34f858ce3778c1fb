import Diagnostics
import Execution

/// The averages of the weights over the steps of a run.
///
/// They are of `theta_1 ... theta_t`, the weights at which the gradients of the steps so far were
/// measured, as the theory of the average loss has it: an average lags the last weights by a step.
final class IterateAverages<B: Backend> {
  private let parameters: ParameterMemory<B>
  private let steps: Int
  private var progress: [(kind: AverageKind, progress: AveragingProgress)]

  /// Averages as configured, of nothing yet.
  init(_ configuration: TrainingConfiguration, parameters: ParameterMemory<B>) {
    self.parameters = parameters
    steps = configuration.steps
    progress = configuration.averaging.rules.map { ($0.kind, AveragingProgress($0.rule)) }
  }

  /// The averages that are kept.
  var kinds: [AverageKind] { progress.map(\.kind) }

  /// How far each average moves towards the weights of a step, counted from 1.
  func moves(step: Int, learningRate: Double) -> [UpdateRequest.Average] {
    progress.indices.map { index in
      UpdateRequest.Average(
        name: progress[index].kind.rawValue,
        share: progress[index].progress.share(step: step, of: steps, learningRate: learningRate))
    }
  }

  /// Does something with an average in place of the weights, which come back afterwards, bit by bit.
  ///
  /// - Parameter kind: nil for the weights themselves.
  func withWeights<R>(of kind: AverageKind?, _ body: () throws -> R) rethrows -> R {
    guard let kind else { return try body() }
    let block = ParameterBlock.average(kind.rawValue)
    parameters.exchange(.values, block)
    defer { parameters.exchange(.values, block) }
    return try body()
  }

  /// The squared distance of an average and another block.
  func squaredDistance(of kind: AverageKind, to block: ParameterBlock) -> Double {
    parameters.squaredDistance(.average(kind.rawValue), block)
  }

  // MARK: Checkpoints

  /// The blocks that a continuation needs.
  var blocks: [ParameterBlock] {
    kinds.flatMap { [.average($0.rawValue), .averageRest($0.rawValue)] }
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
