import Files
import Configuration
import Execution

/// How the weights of a run are judged, on data that no step trains on.
package protocol ModelEvaluation: AnyObject {
  /// Whether the weights after a step can be evaluated.
  func canEvaluate(after step: Int) -> Bool

  /// Evaluates the weights in memory.
  ///
  /// Nothing is kept of an evaluation that fails or is cut short: it is made again.
  func evaluate(_ request: EvaluationRequest) throws -> Evaluation

  /// The loss of the weights in memory on a fixed set, by which averages are compared.
  func heldOutLoss() throws -> HeldOutLoss
  /// The items of that set; averages are not compared where there are none.
  var heldOutItems: Int { get }

  /// What values are compared by, as a state knows it: values of another measure are not comparable.
  var measure: Double { get }
  /// Whether the best evaluated weights are kept.
  var keepsBest: Bool { get }
}

/// An evaluation that is due.
package struct EvaluationRequest {
  /// Updates that were made.
  package let step: Int
  /// Seconds of training so far.
  package let seconds: Double
  /// The weights in memory: "last", or the name of an average.
  package let weights: String
  /// Where samples go.
  package let diary: RunDiary
}

/// What an evaluation found.
package struct Evaluation {
  /// What is compared: higher is better.
  package let value: Double
  /// The line of the log.
  package let line: JSONObject
  /// Lines that follow it.
  package let others: [JSONObject]
  /// Tells whoever watches the run.
  package let tell: () -> Void

  /// A result.
  package init(
    value: Double, line: JSONObject, others: [JSONObject] = [], tell: @escaping () -> Void = {}
  ) {
    (self.value, self.line, self.others, self.tell) = (value, line, others, tell)
  }
}

/// What weights make of held-out items.
package struct HeldOutLoss: Equatable, Sendable {
  /// The mean of what training minimizes.
  package let loss: Double
  /// Other means, by name.
  package let statistics: [String: Double]

  /// A result.
  package init(loss: Double, statistics: [String: Double] = [:]) {
    (self.loss, self.statistics) = (loss, statistics)
  }
}

/// Evaluates a model by its loss on batches that no step trains on.
package final class HeldOutBatches<B: Backend>: ModelEvaluation {
  private let forward: ForwardPass<B>
  private let source: any BatchSource
  private let batches: Int
  private let items: String
  package let keepsBest: Bool
  private let tell: (_ step: Int, HeldOutLoss) -> Void

  /// Evaluates on the first batches of a source.
  ///
  /// - Parameters:
  ///   - items: what an item is, in the plural.
  ///   - keepsBest: whether the weights of the least loss are kept.
  ///   - tell: called with the result of each evaluation.
  package init(
    _ forward: ForwardPass<B>, on source: any BatchSource, batches: Int = 1, items: String,
    keepsBest: Bool = false,
    tell: @escaping (_ step: Int, HeldOutLoss) -> Void = { _, _ in }
  ) {
    precondition(batches > 0, "an evaluation has a batch")
    (self.forward, self.source, self.batches) = (forward, source, batches)
    (self.items, self.keepsBest, self.tell) = (items, keepsBest, tell)
  }

  package func canEvaluate(after step: Int) -> Bool { true }

  package func evaluate(_ request: EvaluationRequest) throws -> Evaluation {
    let result = try heldOutLoss()
    var line = JSONObject([
      "kind": .string("evaluation"), "step": .integer(request.step),
      items: .integer(heldOutItems), "weights": .string(request.weights),
    ])
    line.add("loss", result.loss)
    for (name, value) in result.statistics.sorted(by: { $0.key < $1.key }) {
      line.add(name, value)
    }
    line["seconds"] = .number(request.seconds)
    return Evaluation(
      value: -result.loss, line: line, tell: { [tell] in tell(request.step, result) })
  }

  package func heldOutLoss() throws -> HeldOutLoss {
    var (loss, statistics) = (0.0, [String: Double]())
    for batch in 0..<batches {
      let result = try source.withBatch(step: batch) { try forward.measure($0) }
      loss += result.loss / Double(batches)
      for (name, value) in result.statistics {
        statistics[name, default: 0] += value / Double(batches)
      }
    }
    return HeldOutLoss(loss: loss, statistics: statistics)
  }

  package var heldOutItems: Int { batches * forward.items }
  package var measure: Double { 2 }
}

/// The best evaluation of a run so far, and for how long none was better.
struct BestEvaluation: Equatable {
  /// What is compared, as ``ModelEvaluation/measure`` has it.
  let measure: Double
  /// The smallest improvement that resets patience.
  let minDelta: Double

  /// The best value so far, and the step that it is of; nil before the first evaluation.
  private(set) var best: (value: Double, step: Int)?
  /// The value that patience looks back on.
  private var reference = -Double.infinity
  /// Evaluations since that one.
  private(set) var evaluationsSince = 0

  /// Before the first evaluation.
  init(measure: Double, minDelta: Double) {
    (self.measure, self.minDelta) = (measure, minDelta)
  }

  /// Takes in the value of an evaluation: higher is better.
  ///
  /// - Returns: whether it is the best so far.
  mutating func record(_ value: Double, step: Int) -> Bool {
    evaluationsSince += 1
    if value > reference + minDelta || !reference.isFinite && value > reference {
      (reference, evaluationsSince) = (value, 0)
    }
    // A value that is no number is never better.
    guard value > best?.value ?? -.infinity else { return false }
    best = (value, step)
    return true
  }

  /// Whether none of so many evaluations was better; 0 is never.
  func isExhausted(_ patience: Int) -> Bool { patience > 0 && evaluationsSince >= patience }

  /// Two are equal when they continue alike.
  static func == (a: BestEvaluation, b: BestEvaluation) -> Bool {
    a.measure == b.measure && a.minDelta == b.minDelta && a.state == b.state
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs: which measure, its best value and step, what patience
  /// looks back on, and since when.
  var state: [Double] {
    guard let best else { return [] }
    return [measure, best.value, Double(best.step), reference, Double(evaluationsSince)]
  }

  /// Continues from the numbers of a state; with another measure, or none, it starts over.
  mutating func restore(_ state: [Double]) {
    guard state.count == 5, state[0] == measure, let step = Int(exactly: state[2]),
      let since = Int(exactly: state[4]), since >= 0
    else { return }
    (best, reference, evaluationsSince) = ((state[1], step), state[3], since)
  }
}
