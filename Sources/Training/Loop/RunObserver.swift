import Files
import Configuration

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
