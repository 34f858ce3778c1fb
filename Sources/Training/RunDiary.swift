import Files
import Configuration
import Evaluation
import EventFiles
import Execution
import Foundation
import Imaging

/// Where a run records itself: the metrics log, the folder of samples, and event files
/// for TensorBoard if they are wanted.
final class RunDiary {
  private let folder: String
  private let journal: Journal
  private let events: EventLog?
  /// Lines that are still to be written, because a write failed.
  private var due: [JSONObject]

  /// Opens the diary of a run.
  ///
  /// - Parameters:
  ///   - steps: the steps behind it; nil for a run that begins.
  ///   - due: lines that could not be written before.
  init(
    folder: String, _ monitor: MonitorConfiguration, keepingSteps steps: Int?, due: [String]
  ) throws {
    self.folder = folder
    journal = try Journal(folder: folder, keeping: steps.map { .steps($0) } ?? .nothing)
    events = monitor.tensorBoard ? try EventLog(folder: folder, after: steps ?? 0) : nil
    self.due = due.compactMap {
      if case .object(let line)? = try? JSONValue(parsing: $0) { line } else { nil }
    }
  }

  /// Writes what stands before the next step: lines that are still to be written, one of this start,
  /// and the first lines of a run.
  func begin(_ run: JSONObject, _ first: [JSONObject]) throws(TrainingError) {
    try record()
    try journal.record(run)
    for line in first { try journal.record(line) }
  }

  /// What was wrong with the existing log; nil if it was whole.
  var damage: String? {
    guard journal.unreadableLines > 0 else { return nil }
    return
      "\(folder)/\(Journal.fileName): \(journal.unreadableLines) lines could not be read and were "
      + "put aside, into \(Journal.unreadableFileName)"
  }

  /// The lines that are still to be written, as a state keeps them.
  var dueLines: [String] { due.map { JSONValue.object($0).compactText } }

  /// Writes lines, those first that could not be written before.
  func record(_ lines: [JSONObject] = []) throws(TrainingError) {
    due += lines
    while let line = due.first {
      try journal.record(line)
      due.removeFirst()
      try events?.record(line)
    }
  }

  /// Writes a line that has no numbers to plot.
  func note(_ line: JSONObject) throws(TrainingError) { try journal.record(line) }

  /// Writes how often each code was used since the last diagnosis.
  func record(_ usage: CodebookUsage, step: Int) throws(TrainingError) {
    try events?.record(usage, step: step)
  }

  /// Writes a sheet of samples; its folder is created again where someone removed it.
  func record(samples sheet: Image, step: Int) throws {
    let digits = String(step)
    let name = String(repeating: "0", count: max(0, 7 - digits.count)) + digits + ".png"
    let samples = folder + "/" + Checkpoint.samplesFolder
    try? Folder.make(samples)
    try ImageEncoder().write(sheet, to: samples + "/" + name, as: .png)
    try events?.record(samples: sheet, step: step)
  }
}
