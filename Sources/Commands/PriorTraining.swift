import CPUBackend
import Configuration
import Execution
import Files
import Formatting
import Foundation
import Priors
import Ranks
import Training

extension TrainCommand {
  /// Trains a prior on token files.
  func trainPrior(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    try refuseTokenizerFlags(of: .prior)
    let (trainer, progress, place) = try group.together {
      let (run, place) = try begin(
        PriorRunConfiguration.self, images.tokenAssignments, terminal, group)
      let data = try PriorData(run.data, seed: UInt64(bitPattern: Int64(run.training.seed)))
      warn(ofEmptyClasses: data.emptyClasses, terminal)
      let progress = PriorProgress(terminal, run, folder: place.folder)
      let trainer = try PriorTrainer(
        run, data: data, in: place, backend: Device(), threads: threads(in: group),
        observer: progress)
      return (trainer, progress, place)
    }
    defer { place.lock?.release() }
    if printPlan { return terminal.result(trainer.plan.description) }
    if trace {
      let measured = try trainer.trace(steps: steps ?? 5)
      return terminal.result(TraceReport(measured, trainer.run).text)
    }
    try progress.tell(try trainer.train()) { "\(Display.decimals(-$0, 3)) bits/token" }
  }

  /// Refuses flags that only tokenizers have.
  func refuseTokenizerFlags(of kind: RunKind) throws {
    for (flag, isGiven) in [
      ("--estimate", estimate), ("--find-rate", findRate),
      ("--from", from != nil && kind != .solver), ("--allow-changed-data", allowChangedData),
    ] where isGiven {
      throw Failure(
        .usage,
        "\(flag) is of tokenizers; the configuration is of kind \"\(kind.rawValue)\": remove it")
    }
  }

  /// The configuration of a run, and where it goes; the folder is locked.
  func begin<Run: TrainedRun>(
    _ kind: Run.Type, _ dataAssignments: [String], _ terminal: Terminal, _ group: ProcessGroup?
  ) throws -> (run: Run, place: RunPlace) {
    let folder = try outputFolder()
    let path = named ?? folder + "/" + Checkpoint.configurationFile
    let run = try Preset.load(
      path, as: Run.self, overrides: assignments + dataAssignments + flagAssignments
    ) { terminal.say("note: " + $0) }
    let isDry = printPlan || trace
    let lock = try isDry ? nil : lock(folder, group)
    Interruption.listen()
    return (
      run,
      RunPlace(
        folder: folder, isResuming: resume, allowed: allowed, lock: lock, group: group,
        shouldStop: group.shouldStop)
    )
  }

  /// Warns of classes that have nothing to learn from.
  func warn(ofEmptyClasses names: [String], _ terminal: Terminal) {
    for name in names {
      terminal.warn("class \"\(name)\" has no image to train on: it cannot be sampled well")
    }
  }
}

/// Shows the progress of a prior's training.
private final class PriorProgress: TaskProgress, PriorObserver {
  private var ids = 0

  func trainingWillBegin(_ overview: PriorOverview) {
    let space = overview.space
    ids = space.ids
    let depth = space.depth > 1 ? "x\(space.depth)" : ""
    let classes =
      space.classes > 0
      ? ", \(Display.count(space.classes)) \(space.classes == 1 ? "class" : "classes")" : ""
    terminal.say(
      "prior: \(space.rows)x\(space.columns)\(depth) tokens of \(Display.count(space.codes, "code"))"
        + "\(classes); \(Display.count(overview.size.parameters, "parameter"))")
    tellWork(
      images: "\(Display.count(overview.trainingImages, "image")), "
        + "\(Display.count(overview.validationImages)) for evaluation",
      overview.size)
  }

  override func details(_ report: StepReport) -> [String] {
    [
      "\(Display.decimals(report.statistics["bitsPerToken"] ?? .nan, 3)) bits/token",
      "\(Display.count(Int(report.itemsPerSecond * Double(ids)))) tokens/s",
    ]
  }

  override func compared(_ entry: AveragesReport.Entry) -> (name: String, value: Double) {
    ("bits/token", entry.statistics["bitsPerToken"] ?? .nan)
  }

  func didEvaluate(_ score: PriorScore, step: Int) {
    let (bits, without) = (score.bitsPerToken, score.baselines)
    tellEvaluation(
      "\(Display.decimals(bits, 3)) bits/token, \(Display.decimals(score.bitsPerImage, 1)) "
        + "bits/image, \(Display.decimals(score.bitsPerPixel, 3)) bits/pixel on "
        + "\(Display.count(score.images, "image")); without a prior \(Display.decimals(without.budget, 2)) "
        + "bits/token, by frequency \(Display.decimals(without.marginal, 2)), by the token before "
        + Display.decimals(without.bigram, 2), step: step)
  }
}
