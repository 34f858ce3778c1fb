import Configuration
import Execution
import Files

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
