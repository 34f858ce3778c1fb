import Configuration
import EventFiles
import Execution
import Imaging

/// Where a run writes what it says of itself: the journal, the folder of samples, and event files
/// for TensorBoard if they are wanted.
final class RunDiary {
  private let folder: String
  private let journal: Journal
  private let events: EventLog?
  private let isNew: Bool

  /// Opens the diary of a run that has some steps behind it.
  init(
    folder: String, _ monitor: MonitorConfiguration, keepingSteps steps: Int
  ) throws(TrainingError) {
    self.folder = folder
    isNew = steps == 0
    journal = try Journal(folder: folder, keepingSteps: steps)
    events = monitor.tensorBoard ? try EventLog(folder: folder, after: steps) : nil
  }

  /// Writes what stands before the first step of a run.
  func begin(_ lines: [JSONObject]) throws(TrainingError) {
    guard isNew else { return }
    for line in lines { try journal.record(line) }
  }

  /// Writes a line.
  func record(_ line: JSONObject) throws(TrainingError) {
    try journal.record(line)
    try events?.record(line)
  }

  /// Writes a diagnosis.
  func record<B: Backend>(
    _ monitor: RunMonitor<B>, step: Int, leastEvaluation: Double?
  ) throws(TrainingError) {
    let counts = monitor.codeCounts
    for line in monitor.lines(step: step, leastEvaluation: leastEvaluation) { try record(line) }
    try events?.record(codeCounts: counts, step: step)
  }

  /// Writes a sheet of samples.
  func record(samples sheet: Image, step: Int) throws {
    let digits = String(step)
    let name = String(repeating: "0", count: max(0, 7 - digits.count)) + digits + ".png"
    let path = folder + "/" + Checkpoint.samplesFolder + "/" + name
    try ImageEncoder().write(sheet, to: path, as: .png)
    try events?.record(samples: sheet, step: step)
  }
}
