import Evaluation
import Foundation
import Training

/// Tells how a run fares: a line over itself on a terminal, plain lines elsewhere.
final class TrainingProgress: TrainingObserver {
  /// Evaluations of fewer images say how many.
  private static let fewImages = 8

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
        + "\(Display.megabytes(overview.arenaBytes)) for \(Display.count(overview.lanes, "lane")); "
        + Self.cores(overview))
    if overview.evaluationImages < Self.fewImages {
      terminal.say(
        "only \(Display.count(overview.evaluationImages, "image")) to evaluate with: PSNR and SSIM of "
          + "so few say little of other images. Raise data.validationShare or name a folder by "
          + "--validation.")
    }
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

  func note(_ text: String) { terminal.warn(text) }

  func willFail(step: Int, savedStep: Int, folder: String) {
    let saved =
      savedStep > 0 ? "the state of step \(savedStep) is in \(folder)" : "no step was saved"
    terminal.warn(
      "the run ends after step \(step); \(saved)"
        + (savedStep > 0
          ? ". Once the cause is mended, go on with: train --resume --output \(shellQuoted(folder))"
          : ""))
  }

  /// The result of a run that ended because its evaluations did not improve any more.
  func summary(
    _ folder: String, steps: Int, evaluations: Int, bestStep: Int, best: Double
  ) -> String {
    let value =
      run.monitor.keepBest == .ssim
      ? "SSIM \(Display.decimals(best, 4))" : "\(Display.decimals(best, 2)) dB"
    return "\(folder): ended after \(Display.count(steps, "step")), no improvement for "
      + "\(Display.count(evaluations, "evaluation")); best \(value) at step \(bestStep)"
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

  /// "2 of 16 cores; --set training.lanes=16 uses all".
  static func cores(_ overview: TrainingOverview) -> String {
    let used = "\(overview.threads) of \(Display.count(overview.cores, "core"))"
    let most = overview.lanesForAllCores
    guard most > overview.lanes, overview.threads < overview.cores else { return used }
    return used + "; --set training.lanes=\(most) uses \(most == overview.cores ? "all" : "\(most)")"
  }

  private static func words(_ result: EvaluationResult) -> String {
    let (usage, depth) = (result.usage, result.depths.depths.count)
    let ids = depth > 1 ? " of \(depth) ids" : ""
    let few =
      result.images < fewImages ? " (on \(Display.count(result.images, "image")) alone)" : ""
    return "PSNR \(Display.decimals(result.psnr, 2)) dB, SSIM \(Display.decimals(result.ssim, 3)), "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used by "
      + "\(Display.count(result.tokens, "token"))\(ids), "
      + "perplexity \(Display.decimals(usage.perplexity, 0))" + few
  }
}
