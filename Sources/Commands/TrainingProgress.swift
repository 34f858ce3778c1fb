import Evaluation
import Foundation
import Training

/// Tells how a run fares: a line over itself on a terminal, plain lines elsewhere.
final class TrainingProgress: TrainingObserver {
  private let terminal: Terminal
  private let run: RunConfiguration
  private var lastResult: EvaluationResult?
  private var lastWarning: String?
  private var began = ContinuousClock.now
  private var firstStep = 0

  init(_ terminal: Terminal, _ run: RunConfiguration) {
    self.terminal = terminal
    self.run = run
  }

  func trainingWillBegin(_ overview: TrainingOverview) {
    firstStep = overview.firstStep
    began = .now
    terminal.say(
      "\(Display.count(overview.trainingImages, "image")) to train on, "
        + "\(Display.count(overview.evaluationImages)) to evaluate with; "
        + "\(Display.count(overview.parameters, "parameter")); "
        + "\(Display.megabytes(overview.arenaBytes)) for \(run.training.lanes) lanes")
    if firstStep > 0 { terminal.say("going on after step \(firstStep)") }
  }

  func didStep(_ report: StepReport) {
    let line = self.line(report)
    if let warning = report.warning, lastWarning == nil, terminal.isInteractive {
      terminal.say("step \(report.step): \(warning)")
    }
    lastWarning = report.warning
    if terminal.isInteractive {
      terminal.progress(line)
    } else if report.step.isMultiple(of: run.monitor.logEvery) || report.step == report.steps {
      terminal.say(line)
    }
  }

  func didEvaluate(_ result: EvaluationResult, step: Int) {
    lastResult = result
    terminal.say("step \(step): \(Self.words(result))")
  }

  func didCompare(_ averages: AveragesReport, step: Int) {
    let parts = averages.entries.map { "\($0.name) \(Display.decimals($0.psnr, 2))" }
    terminal.say(
      "step \(step): PSNR in dB on \(Display.count(averages.images, "image")): "
        + parts.joined(separator: ", "))
  }

  func didSave(step: Int, folder: String) {
    terminal.say("step \(step): saved in \(folder)")
  }

  /// The result of the whole run.
  func summary(_ folder: String) -> String {
    let steps = "\(folder): \(Display.count(run.training.steps, "step"))"
    guard let lastResult else { return steps }
    return steps + ", " + Self.words(lastResult)
  }

  private func line(_ report: StepReport) -> String {
    let seconds = began.duration(to: .now) / .seconds(1)
    let left =
      seconds / Double(max(1, report.step - firstStep)) * Double(report.steps - report.step)
    return "step \(report.step)/\(report.steps)  loss \(Display.loss(report.loss))  "
      + "PSNR \(Display.decimals(report.psnr, 2)) dB  "
      + (report.tokens > 0
        ? "codes in batch \(Display.percent(report.usage))  " : "not quantized yet  ")
      + (report.warning.map { $0 + "  " } ?? "")
      + "\(Display.decimals(report.imagesPerSecond, 1)) images/s  "
      + "\(Display.duration(left)) left"
  }

  private static func words(_ result: EvaluationResult) -> String {
    let usage = result.usage
    return "PSNR \(Display.decimals(result.psnr, 2)) dB, SSIM \(Display.decimals(result.ssim, 3)), "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used by "
      + "\(Display.count(usage.tokens, "token")), "
      + "perplexity \(Display.decimals(usage.perplexity, 0))"
  }
}
