import Configuration
import Diagnostics
import Evaluation
import Formatting
import Foundation
import Synchronization
import Tokenizers
import Training

/// Shows training progress: one redrawn line on a terminal, plain lines elsewhere.
final class TrainingProgress: TrainingObserver {
  /// Evaluations of fewer images say how many.
  private static let fewImages = 8
  /// Seconds after which there is a plain line, however long steps take.
  private static let longestSilence = 10.0

  private let terminal: Terminal
  private let run: RunConfiguration
  private let folder: String

  private var time: RunningTime
  /// When the last thing was done: a step, an evaluation, a checkpoint.
  private var last = ContinuousClock.now
  private var lastLine = ContinuousClock.now
  private var stepsMade = 0
  private var lastResult: EvaluationResult?
  private var lastAverages: AveragesReport?
  /// An evaluation that waits to be printed with that of the averages.
  private var untold: (result: EvaluationResult, step: Int)?
  private var warnings = WarningMemory()

  /// Tells a terminal of a run in a folder.
  init(_ terminal: Terminal, _ run: RunConfiguration, folder: String) {
    self.terminal = terminal
    self.run = run
    self.folder = folder
    time = RunningTime(
      .init(
        steps: run.training.steps, evaluateEvery: run.monitor.evaluateEvery,
        checkpointEvery: run.monitor.checkpointEvery,
        firstEvaluation: run.training.deferQuantization))
  }

  func trainingWillBegin(_ overview: TrainingOverview) {
    terminal.say(
      RunDescription(run).work(overview, folder: folder))
    if overview.evaluationImages < Self.fewImages {
      terminal.say(
        "only \(Display.count(overview.evaluationImages, "image")) for evaluation: PSNR and SSIM of so few "
          + "say little about others. Raise data.validationShare or name a folder by "
          + "--validation.")
    }
    if overview.firstStep > 0 { terminal.say("resuming from step \(overview.firstStep)") }
    (last, lastLine) = (.now, .now)
    terminal.progress(
      ProgressLine(
        position: "step \(overview.firstStep)/\(overview.steps)", timeLeft: "",
        details: ["the first step"]))
  }

  func didStep(_ report: StepReport) {
    tellEvaluation()
    time.record(.step, seconds: lap())
    stepsMade += 1
    if let warning = warnings.news(report.warning, step: report.step, of: report.steps) {
      terminal.warn("step \(report.step): \(warning)")
    }
    if terminal.isInteractive {
      terminal.progress(line(report))
    } else if stepsMade == 1 || report.step == report.steps
      || report.step.isMultiple(of: run.monitor.logEvery)
      || lastLine.duration(to: .now) >= .seconds(Self.longestSilence)
    {
      lastLine = .now
      terminal.say(line(report).text())
    }
  }

  func didEvaluate(_ result: EvaluationResult, step: Int) {
    time.record(.evaluation, seconds: lap())
    (lastResult, lastAverages) = (result, nil)
    untold = (result, step)
    if run.training.averaging.rules.isEmpty { tellEvaluation() }
  }

  func didCompare(_ averages: AveragesReport, step: Int) {
    time.record(.evaluation, seconds: lap(), isWhole: false)
    lastAverages = averages
    tellEvaluation()
  }

  func didSave(step: Int, folder: String) {
    tellEvaluation()
    time.record(.checkpoint, seconds: lap())
    terminal.say("step \(step): saved in \(folder)")
  }

  func note(_ text: String) { terminal.warn(text) }

  func willFail(step: Int, savedStep: Int, folder: String) {
    let saved =
      savedStep > 0 ? "the state of step \(savedStep) is in \(folder)" : "no step was saved"
    terminal.warn(
      "the run ends after step \(step); \(saved)"
        + (savedStep > 0
          ? ". Once the cause is fixed, resume with: \(CommandName.typed("train")) --resume --output "
            + shellQuoted(folder)
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
    return steps + ", " + Self.words(lastResult, lastAverages)
  }

  /// Prints the pending evaluation, unless it is the last, which the run's result prints.
  private func tellEvaluation() {
    guard let (result, step) = untold else { return }
    untold = nil
    guard step < run.training.steps else { return }
    terminal.say("step \(step): \(Self.words(result, lastAverages))")
  }

  /// Seconds since the last thing was done.
  private func lap() -> Double {
    let now = ContinuousClock.now
    defer { last = now }
    return last.duration(to: now) / .seconds(1)
  }

  private func line(_ report: StepReport) -> ProgressLine {
    // An image that is evaluated takes about a third of one that is trained on.
    let evaluationSteps =
      Double(run.monitor.evaluationImages) / Double(run.training.batchSize) / 3
    let left = time.left(after: report.step, evaluationSteps: evaluationSteps)
    return ProgressLine(
      position: "step \(report.step)/\(report.steps)",
      timeLeft: left.map { "\(Display.duration($0)) left" } ?? "",
      details: [
        "PSNR \(Display.decimals(report.psnr, 2)) dB",
        bottleneck(report),
        "loss \(Display.loss(report.loss))",
        "\(Display.decimals(report.imagesPerSecond, 1)) images/s",
      ])
  }

  /// What is to be known of the bottleneck, in two words.
  private func bottleneck(_ report: StepReport) -> String {
    if run.quantizer.isContinuous {
      return report.kl.map { "KL \(Display.significant($0, 3)) nats" } ?? "continuous"
    }
    return report.tokens > 0 ? "codes \(Display.percent(report.usage))" : "not quantized yet"
  }

  /// What latents carry: "rank 3.2 of 4, KL 812 nats/image, channel 2 is dead".
  private static func words(_ use: LatentUse, rank: Double?) -> String {
    (rank.map { "latent rank \(Display.decimals($0, 2)) of \(use.channels)" }
      ?? "\(use.channels) channels")
      + (use.kl.map { ", KL \(Display.significant($0, 4)) nats/image" } ?? "")
      + (use.deadWords.map { ", \($0)" } ?? "")
  }

  private static func words(_ result: EvaluationResult, _ averages: AveragesReport?) -> String {
    let (usage, depth) = (result.usage, result.depths.depths.count)
    let ids = depth > 1 ? " of \(depth) ids" : ""
    let few =
      result.images < fewImages ? " (on \(Display.count(result.images, "image")) alone)" : ""
    let compared =
      averages.map { averages in
        "; PSNR on \(Display.count(averages.images, "image")): "
          + averages.entries.map { "\($0.name) \(Display.decimals($0.psnr, 2))" }
          .joined(separator: ", ")
      } ?? ""
    if let use = result.latentUse {
      return
        "PSNR \(Display.decimals(result.psnr, 2)) dB, SSIM \(Display.decimals(result.ssim, 3)), "
        + words(use, rank: result.latents.effectiveRank) + few + compared
    }
    return "PSNR \(Display.decimals(result.psnr, 2)) dB, SSIM \(Display.decimals(result.ssim, 3)), "
      + "\(Display.count(usage.used)) of \(Display.count(usage.codes, "code")) used by "
      + "\(Display.count(result.tokens, "token"))\(ids), "
      + "perplexity \(Display.decimals(usage.perplexity, 0))" + few + compared
  }
}

/// The warnings already shown, so that one that persists or flickers is shown once.
private struct WarningMemory {
  /// The step at which each kind of warning was last there.
  private var seen: [String: Int] = [:]

  /// The warning, if it is of a kind that has not been there for a twentieth of the run.
  mutating func news(_ warning: String?, step: Int, of steps: Int) -> String? {
    guard let warning else { return nil }
    // The numbers behind the colon change with every step.
    let kind = String(warning.prefix { $0 != ":" })
    defer { seen[kind] = step }
    guard let before = seen[kind] else { return warning }
    return step - before > max(50, steps / 20) ? warning : nil
  }
}

/// How long a run still takes, from how long its parts took so far: steps, evaluations, checkpoints.
///
/// Only what this process did counts, so that a resumed run is as right as an uninterrupted one.
struct RunningTime {
  /// What a run does again and again.
  enum Part: Int, CaseIterable {
    /// A step with the batch it waits for, and with the diagnostics of the step before.
    case step
    /// An evaluation on the fixed set, with that of averages.
    case evaluation
    /// A checkpoint.
    case checkpoint
  }

  /// How often something is done.
  struct Schedule {
    /// The length of the run.
    let steps: Int
    /// Steps between two evaluations.
    let evaluateEvery: Int
    /// Steps between two checkpoints.
    let checkpointEvery: Int
    /// The step up to which there are no evaluations.
    var firstEvaluation = 0

    /// How often a part is still done after a step.
    func remaining(_ part: Part, after step: Int) -> Int {
      let every = part == .evaluation ? evaluateEvery : checkpointEvery
      switch part {
      case .step: return steps - step
      case .evaluation, .checkpoint:
        let from = part == .evaluation ? max(step, firstEvaluation - 1) : step
        guard from < steps else { return 0 }
        // The last step has one whether it is a multiple or not.
        return (steps - 1) / every - from / every + 1
      }
    }
  }

  private let schedule: Schedule
  private var seconds = [0.0, 0.0, 0.0]
  private var counts = [0, 0, 0]
  private var recentStep: Double?

  /// Nothing is known yet.
  init(_ schedule: Schedule) { self.schedule = schedule }

  /// Takes in how long a part took.
  ///
  /// - Parameter isWhole: false where it adds to one that was counted already, as the averages do.
  mutating func record(_ part: Part, seconds: Double, isWhole: Bool = true) {
    self.seconds[part.rawValue] += seconds
    if isWhole { counts[part.rawValue] += 1 }
    guard part == .step else { return }
    // The machine may become slower or faster: later steps count more, over some fifty of them.
    recentStep = recentStep.map { $0 + (seconds - $0) / Double(min(counts[0], 50)) } ?? seconds
  }

  /// Seconds until the run ends, once a step has been made; nil before.
  ///
  /// - Parameter evaluationSteps: what an evaluation takes in steps, before the first was made.
  func left(after step: Int, evaluationSteps: Double) -> Double? {
    guard let recentStep else { return nil }
    func mean(_ part: Part) -> Double? {
      counts[part.rawValue] > 0 ? seconds[part.rawValue] / Double(counts[part.rawValue]) : nil
    }
    return Part.allCases.reduce(0) { sum, part in
      let each =
        switch part {
        case .step: recentStep
        case .evaluation: mean(part) ?? recentStep * evaluationSteps
        case .checkpoint: mean(part) ?? 0
        }
      return sum + Double(schedule.remaining(part, after: step)) * each
    }
  }
}

/// A line of progress: where the work is, how long it still takes, and what else there is room for.
struct ProgressLine {
  /// What is done, as in `step 36/700`.
  let position: String
  /// The time left, as in `8:21 left`; empty where it is not known yet.
  let timeLeft: String
  /// Everything else, the most important first.
  let details: [String]

  /// The line in at most so many columns: details are dropped from the right, the time left never.
  func text(columns: Int = .max) -> String {
    let needed = [position, timeLeft].filter { !$0.isEmpty }
    for count in stride(from: details.count, through: 0, by: -1) {
      let line = (needed + details.prefix(count)).joined(separator: "  ")
      if DisplayWidth.columns(line) <= columns { return line }
    }
    // Not even both fit: the time goes first.
    let room = columns - DisplayWidth.columns(timeLeft) - 2
    guard room > 0, !timeLeft.isEmpty else {
      return DisplayWidth.prefix(timeLeft.isEmpty ? position : timeLeft, columns: columns)
    }
    return DisplayWidth.prefix(position, columns: room) + "  " + timeLeft
  }
}

/// Tells how far a count of items has come: over itself on a terminal, now and then elsewhere.
final class ItemProgress {
  private let terminal: Terminal
  private let doing: String
  private let total: Int
  private let began = ContinuousClock.now
  private var lastTold = ContinuousClock.now
  /// Items done so far.
  private(set) var done = 0

  /// Starts the clock; `doing` is a word such as "encoding".
  init(_ terminal: Terminal, _ doing: String, total: Int) {
    self.terminal = terminal
    self.doing = doing
    self.total = total
    terminal.progress("\(doing) 0 of \(Display.count(total))")
  }

  /// Seconds since the start.
  var seconds: Double { began.duration(to: .now) / .seconds(1) }

  /// Items done in a second, or the seconds of one where it takes longer, as people read it.
  var rate: String { Display.rate(Double(done) / max(seconds, 1e-9)) }

  /// So many items are done, of all.
  func reach(_ done: Int) { advance(by: done - self.done) }

  /// So many more items are done.
  func advance(by count: Int) {
    done += count
    let left = seconds / Double(max(1, done)) * Double(total - done)
    let line = ProgressLine(
      position: "\(doing) \(Display.count(done)) of \(Display.count(total))",
      timeLeft: "\(Display.duration(left)) left", details: [rate])
    if terminal.isInteractive {
      terminal.progress(line)
    } else if lastTold.duration(to: .now) > .seconds(5), done < total {
      lastTold = .now
      terminal.say(line.text())
    }
  }
}

/// Shows how many files of a data set have been read or drawn: over itself on a terminal; elsewhere
/// a line after a second, and one every five seconds from then on.
final class ReadingProgress: @unchecked Sendable {
  // Unchecked: the mutex guards the terminal, which nobody else uses meanwhile.
  private let terminal: Terminal
  private let doing: String
  private let due: Mutex<ContinuousClock.Instant>

  /// Starts the clock; `first` is shown until the first file is done.
  init(_ terminal: Terminal, _ doing: String = "reading", first: String = "listing images") {
    self.terminal = terminal
    self.doing = doing
    due = Mutex(.now + .seconds(1))
    terminal.progress(first)
  }

  /// So many of all files have been looked at.
  func report(_ done: Int, _ all: Int) {
    due.withLock { [doing] due in
      let line = { "\(doing) \(Display.count(done)) of \(Display.count(all, "image"))" }
      if terminal.isInteractive {
        terminal.progress(line())
      } else if done < all, due < .now {
        due = .now + .seconds(5)
        terminal.say(line())
      }
    }
  }
}
