import ArgumentParser
import Configuration
import Execution
import Formatting
import Foundation
import Training

/// Shows the progress of a run: one redrawn line on a terminal, plain lines elsewhere.
///
/// What is special to a kind of run is what subclasses say of a step and of an evaluation.
class TaskProgress: RunObserver {
  let terminal: Terminal
  let training: TrainingConfiguration
  let monitor: MonitorConfiguration
  let folder: String
  private var time: RunningTime
  private var (last, lastLine) = (ContinuousClock.now, ContinuousClock.now)
  private var result: String?

  init(_ terminal: Terminal, _ run: some TrainedRun, folder: String) {
    (self.terminal, training, monitor) = (terminal, run.training, run.monitor)
    self.folder = folder
    time = RunningTime(
      .init(
        steps: training.steps, evaluateEvery: monitor.evaluateEvery,
        checkpointEvery: monitor.checkpointEvery))
  }

  /// What a line says of a step, beside the loss.
  func details(_ report: StepReport) -> [String] {
    ["\(Display.decimals(report.itemsPerSecond, 1)) \(report.items)/s"]
  }

  /// The number by which averages are compared, and its name.
  func compared(_ entry: AveragesReport.Entry) -> (name: String, value: Double) {
    ("loss", entry.loss)
  }

  /// Tells of the work before it begins, after lines on what is trained.
  func tellWork(images: String, _ size: RunSize) {
    terminal.say(
      "\(images); \(Display.count(training.steps, "step")) of \(training.batchSize); "
        + "\(Display.count(size.lanes, "lane")) in \(Display.count(size.threads, "thread"))\(Self.idle(size)), "
        + "\(Display.megabytes(size.arenaBytes)); \(folder)")
    (last, lastLine) = (.now, .now)
  }

  /// What to say where cores stay idle: " of 16 cores (more training.lanes use more)".
  private static func idle(_ size: RunSize) -> String {
    let cores = AvailableCores.count
    guard size.threads == size.lanes, size.threads < cores else { return "" }
    return " of \(Display.count(cores, "core")) (more training.lanes use more)"
  }

  /// Takes the words of an evaluation.
  func tellEvaluation(_ words: String, step: Int) {
    time.record(.evaluation, seconds: lap())
    result = words
    if step < training.steps { terminal.say("step \(step): \(words)") }
  }

  func didStep(_ report: StepReport) {
    time.record(.step, seconds: lap())
    let line = line(report)
    if terminal.isInteractive {
      terminal.progress(line)
    } else if report.step == 1 || report.step == report.steps
      || report.step.isMultiple(of: monitor.logEvery)
      || lastLine.duration(to: .now) >= .seconds(10)
    {
      lastLine = .now
      terminal.say(line.text())
    }
  }

  func didCompare(_ averages: AveragesReport, step: Int) {
    time.record(.evaluation, seconds: lap(), isWhole: false)
    let entries = averages.entries.map { ($0.name, compared($0)) }
    guard let name = entries.first?.1.name else { return }
    terminal.say(
      "step \(step): \(name): "
        + entries.map { "\($0.0) \(Display.decimals($0.1.value, 4))" }.joined(separator: ", "))
  }

  func didSave(step: Int, folder: String) {
    time.record(.checkpoint, seconds: lap())
    terminal.say("step \(step): saved in \(folder)")
  }

  func note(_ text: String) { terminal.warn(text) }

  func willFail(step: Int, savedStep: Int, folder: String) {
    terminal.warn(
      "the run ends after step \(step); "
        + (savedStep > 0 ? "the state of step \(savedStep) is in \(folder)" : "no step was saved"))
  }

  /// Prints how the run ended.
  ///
  /// - Parameter best: a value of patience in words.
  func tell(_ end: RunEnd, best: (Double) -> String) throws {
    switch end {
    case .finished:
      let steps = "\(folder): \(Display.count(training.steps, "step"))"
      terminal.result(result.map { steps + ", " + $0 } ?? steps)
    case .patienceEnded(let step, let evaluations, let bestStep, let value):
      terminal.result(
        "\(folder): ended after \(Display.count(step, "step")), no improvement for "
          + "\(Display.count(evaluations, "evaluation")); best \(best(value)) at step \(bestStep)")
    case .interrupted(let step):
      terminal.say(
        "stopped after step \(step); saved to \(folder). Resume with: "
          + "\(CommandName.typed("train")) --resume --output \(shellQuoted(folder))")
      throw ExitCode(Interruption.exitCode)
    }
  }

  private func line(_ report: StepReport) -> ProgressLine {
    let left = time.left(
      after: report.step,
      evaluationSteps: Double(monitor.evaluationImages) / Double(training.batchSize) / 3)
    return ProgressLine(
      position: "step \(report.step)/\(report.steps)",
      timeLeft: left.map { "\(Display.duration($0)) left" } ?? "",
      details: ["loss \(Display.loss(report.loss))"] + details(report))
  }

  private func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return last.duration(to: now) / .seconds(1)
  }
}
