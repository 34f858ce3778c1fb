import Files
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
