import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Files
import Formatting
import Foundation
import Priors
import Ranks
import Training

extension TrainCommand {
  /// Trains a continuous prior on images or latents.
  func trainContinuous(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    try refuseTokenizerFlags(of: .continuous)
    let (trainer, progress, place) = try group.together {
      let (run, place) = try begin(
        ContinuousRunConfiguration.self, vectorAssignments(), terminal, group)
      let data = try vectorData(run, terminal)
      let progress = ContinuousProgress(terminal, run, folder: place.folder)
      let trainer = try ContinuousTrainer(
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
    try progress.tell(try trainer.train()) { "loss \(Display.decimals(-$0, 4))" }
  }

  /// What --data and --validation set: latents where the configuration has pixels come one by one, unless a
  /// patch of them is asked for, as a patch of pixels is of another size.
  private func vectorAssignments() -> [String] {
    let given = images.vectorAssignments
    guard given.contains("data.type=latents"), let named,
      !assignments.contains(where: { $0.hasPrefix("data.patch=") }),
      case .images? = try? Preset.load(named, as: ContinuousRunConfiguration.self).data
    else { return given }
    return given + ["data.patch=1"]
  }

  /// Trains the steps of a solver for a continuous prior.
  func trainSolver(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    try refuseTokenizerFlags(of: .solver)
    for (name, given) in [("--data", images.data), ("--validation", images.validation)]
    where !given.isEmpty {
      throw Failure(
        .usage,
        "\(name): a solver learns from the images of its prior; name the prior by --from")
    }
    let checkpoint = from.map { ["checkpoint=" + JSONValue.string($0).compactText] } ?? []
    let (trainer, progress, place) = try group.together {
      let (run, place) = try begin(SolverRunConfiguration.self, checkpoint, terminal, group)
      let prior = try OpenedContinuousPrior(
        folder: run.checkpoint, weights: weights.file, backend: Device(),
        threads: threads(in: group))
      let data = try vectorData(prior.run, terminal)
      if !resume, prior.run.model.head.diffusion != nil {
        let planarity = prior.planarity
        terminal.say(
          "trajectories of \(prior.folder): "
            + String(
              format: "%.3g%% of their variance off a line, %.3g%% off a plane",
              100 * (1 - planarity.line), 100 * (1 - planarity.plane)))
      }
      let progress = SolverProgress(terminal, run, folder: place.folder)
      let trainer = try SolverTrainer(
        run, prior: prior, data: data, in: place, backend: Device(),
        threads: threads(in: group), observer: progress)
      return (trainer, progress, place)
    }
    defer { place.lock?.release() }
    if printPlan { return terminal.result(trainer.plan.description) }
    if trace {
      let measured = try trainer.trace(steps: steps ?? 5)
      return terminal.result(TraceReport(measured, trainer.run).text)
    }
    try progress.tell(try trainer.train()) { "loss \(Display.decimals(-$0, 6))" }
  }

  /// Reads the vectors of a run.
  private func vectorData(
    _ run: ContinuousRunConfiguration, _ terminal: Terminal
  ) throws -> VectorData {
    terminal.progress("reading images")
    let data: VectorData
    do {
      data = try VectorData(
        run.data, seed: UInt64(bitPattern: Int64(run.training.seed)),
        shouldStop: { Interruption.isRequested }, listing: ListingProgress(terminal).observer)
    } catch DatasetError.stopped {
      terminal.say("stopped before anything was computed; nothing was written")
      throw ExitCode(Interruption.exitCode)
    }
    for note in data.notes { terminal.say("note: " + note) }
    warn(ofEmptyClasses: data.emptyClasses, terminal)
    return data
  }
}

/// Shows the progress of a continuous prior's training.
private final class ContinuousProgress: TaskProgress, ContinuousObserver {
  func trainingWillBegin(_ overview: ContinuousOverview) {
    let grid = overview.grid
    let classes =
      grid.classes > 0
      ? ", \(Display.count(grid.classes)) \(grid.classes == 1 ? "class" : "classes")" : ""
    terminal.say(
      "continuous prior: \(grid.rows)x\(grid.columns) "
        + (overview.hasPixels ? "patches" : "latents")
        + " of \(Display.count(grid.numbers, "number"))\(classes); "
        + Display.count(overview.size.parameters, "parameter"))
    tellWork(
      images: "\(Display.count(overview.trainingImages, "image")), "
        + "\(Display.count(overview.validationImages)) for evaluation",
      overview.size)
  }

  func didEvaluate(_ score: ContinuousScore, step: Int) {
    var words = "loss \(Display.decimals(score.loss, 4))"
    if let error = score.squaredError {
      words += ", squared error \(Display.decimals(error, 4))"
    }
    if let bits = score.bitsPerPixel { words += ", \(Display.decimals(bits, 2)) bits/pixel" }
    tellEvaluation(words + " on \(Display.count(score.images, "image"))", step: step)
  }
}

/// Shows the progress of a solver's training.
private final class SolverProgress: TaskProgress, SolverObserver {
  func trainingWillBegin(_ size: RunSize) {
    terminal.say("solver: \(Display.count(size.parameters, "parameter"))")
    tellWork(images: "steps of a solver", size)
  }

  func didEvaluate(_ score: SolverScore, step: Int) {
    tellEvaluation(
      "loss \(String(format: "%.3g", score.loss)), squared error of the last step "
        + String(format: "%.3g", score.lastError), step: step)
  }
}
