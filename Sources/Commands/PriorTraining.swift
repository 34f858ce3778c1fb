import ArgumentParser
import CPUBackend
import Configuration
import Execution
import Files
import Formatting
import Foundation
import Priors
import Training

extension TrainCommand {
  /// Trains a prior on token files.
  func trainPrior(_ terminal: Terminal) throws {
    for (flag, isGiven) in [
      ("--estimate", estimate), ("--find-rate", findRate), ("--from", from != nil),
      ("--allow-changed-data", allowChangedData),
    ] where isGiven {
      throw Failure(
        .usage, "\(flag) is of tokenizers; the configuration is of kind \"prior\": remove it")
    }
    let folder = try outputFolder()
    let path = named ?? folder + "/" + Checkpoint.configurationFile
    let run = try Preset.load(
      path, as: PriorRunConfiguration.self,
      overrides: assignments + images.tokenAssignments + flagAssignments
    ) { terminal.say("note: " + $0) }
    let isDry = printPlan || trace
    let lock = isDry ? nil : try Checkpoint(folder: folder).lockForTraining(resuming: resume)
    defer { lock?.release() }
    Interruption.listen()
    let data = try PriorData(run.data, seed: UInt64(bitPattern: Int64(run.training.seed)))
    for name in data.emptyClasses {
      terminal.warn("class \"\(name)\" has no image to train on: it cannot be sampled well")
    }
    let progress = PriorProgress(terminal, run, folder: folder)
    let trainer = try PriorTrainer(
      run, data: data, folder: folder, isResuming: resume, allowed: allowed, lock: lock,
      backend: Device(), threads: options.threadCount, observer: progress,
      shouldStop: { Interruption.isRequested })
    if printPlan { return terminal.result(trainer.plan.description) }
    if trace {
      let measured = try trainer.trace(steps: steps ?? 5)
      return terminal.result(TraceReport(measured, trainer.run).text)
    }
    switch try trainer.train() {
    case .finished: terminal.result(progress.summary())
    case .patienceEnded(let step, let evaluations, let bestStep, let best):
      terminal.result(
        "\(folder): ended after \(Display.count(step, "step")), no improvement for "
          + "\(Display.count(evaluations, "evaluation")); best \(Display.decimals(-best, 3)) "
          + "bits/token at step \(bestStep)")
    case .interrupted(let step):
      terminal.say(
        "stopped after step \(step); saved to \(folder). Resume with: "
          + "\(CommandName.typed("train")) --resume --output \(shellQuoted(folder))")
      throw ExitCode(Interruption.exitCode)
    }
  }
}

/// Shows the progress of a prior's training: one redrawn line on a terminal, plain lines elsewhere.
private final class PriorProgress: PriorObserver {
  private let terminal: Terminal
  private let run: PriorRunConfiguration
  private let folder: String
  private var time: RunningTime
  private var (last, lastLine) = (ContinuousClock.now, ContinuousClock.now)
  private var ids = 0
  private var result: PriorScore?

  init(_ terminal: Terminal, _ run: PriorRunConfiguration, folder: String) {
    (self.terminal, self.run, self.folder) = (terminal, run, folder)
    time = RunningTime(
      .init(
        steps: run.training.steps, evaluateEvery: run.monitor.evaluateEvery,
        checkpointEvery: run.monitor.checkpointEvery))
  }

  func trainingWillBegin(_ overview: PriorOverview) {
    let space = overview.space
    ids = space.ids
    let depth = space.depth > 1 ? "x\(space.depth)" : ""
    let classes =
      space.classes > 0
      ? ", \(Display.count(space.classes)) \(space.classes == 1 ? "class" : "classes")" : ""
    terminal.say(
      "prior: \(space.rows)x\(space.columns)\(depth) tokens of \(Display.count(space.codes, "code"))"
        + "\(classes); \(Display.count(overview.parameters, "parameter"))")
    terminal.say(
      "\(Display.count(overview.trainingImages, "image")), "
        + "\(Display.count(overview.validationImages)) for evaluation; "
        + "\(Display.count(overview.steps, "step")) of \(run.training.batchSize); "
        + "\(Display.count(overview.lanes, "lane")) in \(Display.count(overview.threads, "thread")), "
        + "\(Display.megabytes(overview.arenaBytes)); \(folder)")
    (last, lastLine) = (.now, .now)
  }

  func didStep(_ report: StepReport) {
    time.record(.step, seconds: lap())
    let line = line(report)
    if terminal.isInteractive {
      terminal.progress(line)
    } else if report.step == 1 || report.step == report.steps
      || report.step.isMultiple(of: run.monitor.logEvery)
      || lastLine.duration(to: .now) >= .seconds(10)
    {
      lastLine = .now
      terminal.say(line.text())
    }
  }

  func didEvaluate(_ score: PriorScore, step: Int) {
    time.record(.evaluation, seconds: lap())
    result = score
    if step < run.training.steps { terminal.say("step \(step): \(words(score))") }
  }

  func didCompare(_ averages: AveragesReport, step: Int) {
    time.record(.evaluation, seconds: lap(), isWhole: false)
    let entries = averages.entries.map {
      "\($0.name) \(Display.decimals($0.statistics["bitsPerToken"] ?? .nan, 3))"
    }
    terminal.say("step \(step): bits/token: " + entries.joined(separator: ", "))
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

  /// The result of the whole run.
  func summary() -> String {
    let steps = "\(folder): \(Display.count(run.training.steps, "step"))"
    return result.map { steps + ", " + words($0) } ?? steps
  }

  private func words(_ score: PriorScore) -> String {
    let (bits, without) = (score.bitsPerToken, score.baselines)
    return "\(Display.decimals(bits, 3)) bits/token, \(Display.decimals(score.bitsPerImage, 1)) "
      + "bits/image, \(Display.decimals(score.bitsPerPixel, 3)) bits/pixel on "
      + "\(Display.count(score.images, "image")); without a prior \(Display.decimals(without.budget, 2)) "
      + "bits/token, by frequency \(Display.decimals(without.marginal, 2)), by the token before "
      + Display.decimals(without.bigram, 2)
  }

  private func line(_ report: StepReport) -> ProgressLine {
    let left = time.left(
      after: report.step,
      evaluationSteps: Double(run.monitor.evaluationImages) / Double(run.training.batchSize) / 3)
    return ProgressLine(
      position: "step \(report.step)/\(report.steps)",
      timeLeft: left.map { "\(Display.duration($0)) left" } ?? "",
      details: [
        "\(Display.decimals(report.statistics["bitsPerToken"] ?? .nan, 3)) bits/token",
        "loss \(Display.loss(report.loss))",
        "\(Display.count(Int(report.itemsPerSecond * Double(ids)))) tokens/s",
      ])
  }

  private func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return last.duration(to: now) / .seconds(1)
  }
}
