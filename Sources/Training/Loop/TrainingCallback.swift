import Configuration
import Execution

/// What happens between the steps of a run: codebook upkeep, a diagnosis, a note about bad data.
///
/// ``TrainingLoop`` asks each callback in the order in which it has them, and knows none. All that a
/// callback does is a function of the run so far, and its state is saved with the run, so that a resumed
/// run goes on bit by bit. Steps are counted from 1.
package protocol TrainingCallback: AnyObject {
  /// The log is open, and the first step of this part of the run is next.
  func willBegin(_ diary: RunDiary) throws

  /// Whether long work comes before a step. The run is saved first.
  func prepares(step: Int) -> Bool
  /// Does that work.
  ///
  /// - Throws: `CancellationError` where someone asked to stop; a resumed run does it again.
  func prepare(step: Int) throws

  /// Who reads outputs of the replays of a step.
  func readers(ofStep step: Int) -> [any ReplayReader]
  /// The weights were updated, and all readers have read.
  func didUpdate(step: Int)
  /// Whether weights, and with them their averages, are changed after a step's update.
  func changesWeights(after step: Int) -> Bool

  /// Numbers of the last step for its report, by name.
  var statistics: [String: Double] { get }
  /// Counts of the last step likewise.
  var counts: [String: Int] { get }
  /// What the user should know by now.
  var warning: String? { get }

  /// The step is made and reported; its line comes next.
  func didStep(_ step: Int, _ diary: RunDiary) throws
  /// The lines of a step that is diagnosed.
  func diagnose(step: Int) -> [JSONObject]
  /// Those lines are written.
  func didDiagnose(step: Int, _ diary: RunDiary) throws

  /// The numbers that a continuation needs, by names of its own.
  var numbers: [String: [Double]] { get }
  /// Takes the numbers of a checkpoint, which holds those of all callbacks.
  ///
  /// - Returns: the name of one that is missing or wrong, if the run cannot go on without it.
  func restore(_ numbers: [String: [Double]]) -> String?
  /// Adds to what else a state records.
  func willSave(_ progress: inout Checkpoint.Progress)
}

extension TrainingCallback {
  package func willBegin(_ diary: RunDiary) throws {}
  package func prepares(step: Int) -> Bool { false }
  package func prepare(step: Int) throws {}
  package func readers(ofStep step: Int) -> [any ReplayReader] { [] }
  package func didUpdate(step: Int) {}
  package func changesWeights(after step: Int) -> Bool { false }
  package var statistics: [String: Double] { [:] }
  package var counts: [String: Int] { [:] }
  package var warning: String? { nil }
  package func didStep(_ step: Int, _ diary: RunDiary) throws {}
  package func diagnose(step: Int) -> [JSONObject] { [] }
  package func didDiagnose(step: Int, _ diary: RunDiary) throws {}
  package var numbers: [String: [Double]] { [:] }
  package func restore(_ numbers: [String: [Double]]) -> String? { nil }
  package func willSave(_ progress: inout Checkpoint.Progress) {}
}

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
  /// Tells whoever watches the run.
  package let tell: () -> Void

  /// A result.
  package init(value: Double, line: JSONObject, tell: @escaping () -> Void = {}) {
    (self.value, self.line, self.tell) = (value, line, tell)
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

/// Who watches a run: a progress line, a log, a test.
public protocol RunObserver: AnyObject {
  /// An update was made.
  func didStep(_ report: StepReport)
  /// The last weights and their averages were held side by side.
  func didCompare(_ averages: AveragesReport, step: Int)
  /// A checkpoint was written.
  func didSave(step: Int, folder: String)
  /// Something happened that the user should know, and that does not end the run.
  func note(_ text: String)
  /// The run is about to end with an error.
  ///
  /// - Parameters:
  ///   - step: updates that were made.
  ///   - savedStep: the step of the state in the folder.
  func willFail(step: Int, savedStep: Int, folder: String)
}

extension RunObserver {
  /// Does nothing.
  public func note(_ text: String) {}
  /// Does nothing.
  public func willFail(step: Int, savedStep: Int, folder: String) {}
}

/// What one update measured.
public struct StepReport: Sendable {
  /// Updates made so far.
  public let step: Int
  /// The length of the run.
  public let steps: Int
  /// The loss.
  public let loss: Double
  /// The norm of the gradient before clipping.
  public let gradientNorm: Double
  /// The learning rate of the update.
  public let learningRate: Double
  /// Seconds of training so far, over all resumptions.
  public let seconds: Double
  /// Items a second since the last line of the log: training alone.
  public let itemsPerSecond: Double
  /// What an item is, in the plural.
  public let items: String
  /// Means over the batch, by name: the model's own, and what is made of them.
  public let statistics: [String: Double]
  /// Counts over the batch, by name.
  public let counts: [String: Int]
  /// The current warning; nil where nothing is.
  public let warning: String?
}

extension StepReport {
  /// The log's line: `kind` is "step".
  ///
  /// Losses and statistics are means over the batch; the rate of items is of training alone, since the
  /// previous line, and `seconds` are all of it so far.
  var line: JSONObject {
    var line = JSONObject([
      "kind": .string("step"), "step": .integer(step), "loss": .number(loss),
      "learningRate": .number(learningRate), "gradientNorm": .number(gradientNorm),
    ])
    for (name, count) in counts.sorted(by: { $0.key < $1.key }) { line[name] = .integer(count) }
    line.add(items + "PerSecond", itemsPerSecond)
    line["seconds"] = .number(seconds)
    for (name, value) in statistics.sorted(by: { $0.key < $1.key }) { line.add(name, value) }
    if let warning { line["warning"] = .string(warning) }
    return line
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
