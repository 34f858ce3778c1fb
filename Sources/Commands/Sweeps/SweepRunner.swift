import Configuration
import Foundation
import Training

/// Trains the unfinished runs of a plan, one after another.
struct SweepRunner {
  /// The plan.
  let plan: SweepPlan
  /// Values set over all others', such as folders of images.
  let overrides: [String]
  /// The folder of all runs.
  let output: String
  /// Threads of each command; nil for its own choice.
  let threads: Int?
  /// Where messages go.
  let terminal: Terminal

  /// How the training of a sweep ended.
  enum End {
    /// Every run has its line.
    case complete
    /// The time was up with so many runs left.
    case timeIsUp(left: Int)
    /// A stop was requested.
    case interrupted
  }

  /// The file of results.
  var resultsPath: String { output + "/" + SweepRecord.fileName }

  /// The folder of a run.
  func folder(_ run: SweepPlan.Run) -> String { output + "/" + run.name }

  /// Trains what is left to train.
  ///
  /// - Parameter minutes: no run continues after so many; the current one is saved then.
  func train(minutes: Double?) throws -> End {
    var records = try SweepRecord.read(resultsPath)
    let began = ContinuousClock.now
    func isLate() -> Bool {
      minutes.map { began.duration(to: .now) / .seconds(60) >= $0 } ?? false
    }
    for (index, run) in plan.runs.enumerated() {
      if try isDone(run, records) { continue }
      if Interruption.isRequested { return .interrupted }
      if isLate() {
        return .timeIsUp(left: plan.runs.count { (try? !isDone($0, records)) ?? true })
      }
      let title = "\(index + 1)/\(plan.runs.count) \(run.name)"
      terminal.say("run \(title)")
      let record = try train(run, title: title) { Interruption.isRequested || isLate() }
      guard let record else {
        return Interruption.isRequested
          ? .interrupted
          : .timeIsUp(left: plan.runs.count { (try? !isDone($0, records)) ?? true })
      }
      try record.append(to: resultsPath)
      records.removeAll { $0.overrides == run.overrides }
      records.append(record)
      tell(record, run)
    }
    return .complete
  }

  /// Whether a run has its numbers already, and of the configuration that it has now.
  func isDone(_ run: SweepPlan.Run, _ records: [SweepRecord]) throws -> Bool {
    guard let result = records.first(where: { $0.overrides == run.overrides })?.result else {
      return false
    }
    if let before = result.fingerprint, before != (try plan.fingerprint(run, overrides)) {
      throw Failure(
        .badData,
        "\(resultsPath): run \(run.name) was trained with another configuration than "
          + "\(plan.config) is now. Set it back, or choose another --output.")
    }
    return true
  }

  /// Trains and evaluates one run; nil where it was stopped.
  private func train(
    _ run: SweepPlan.Run, title: String, shouldStop: () -> Bool
  ) throws -> SweepRecord? {
    let folder = folder(run)
    let checkpoint = Checkpoint(folder: folder)
    let began = ContinuousClock.now
    if !isFinished(checkpoint) {
      var arguments = ["--config", plan.config, "--output", folder]
      arguments += (run.overrides + overrides).flatMap { ["--set", $0] }
      if checkpoint.hasState {
        arguments.append("--resume")
      } else {
        // A run that never saved: it begins again.
        try? FileManager.default.removeItem(atPath: folder)
      }
      let training = try child("train", arguments, title: title, shouldStop: shouldStop)
      if [129, 130, 143].contains(training.code), shouldStop() { return nil }
      guard training.code == 0 else { return failed(run, training) }
    }
    let seconds = began.duration(to: .now) / .seconds(1)
    let comparison = try child(
      "compare", [folder, "--json", "-", "--quiet"], title: title, shouldStop: { false })
    guard comparison.code == 0 else { return failed(run, comparison) }
    var result = try SweepResult(
      run, folder: folder, comparison: comparison.output, seconds: seconds,
      commit: Release.version)
    result.fingerprint = try plan.fingerprint(run, overrides)
    return .finished(result)
  }

  private func child(
    _ name: String, _ arguments: [String], title: String, shouldStop: () -> Bool
  ) throws -> ChildCommand {
    var lastTold = ContinuousClock.now
    let threads = threads.map { ["--threads", String($0)] } ?? []
    return try ChildCommand(name, arguments + threads, shouldStop: shouldStop) { line in
      if line.hasPrefix("warning: ") {
        terminal.warn("\(title): \(line.dropFirst("warning: ".count))")
      } else if line.hasPrefix("step "), line.contains(" left") {
        let fields = line.split(separator: "  ").map(String.init)
        let shown = ProgressLine(
          position: "\(title): \(fields[0])", timeLeft: fields.count > 1 ? fields[1] : "",
          details: Array(fields.dropFirst(2)))
        if terminal.isInteractive {
          terminal.progress(shown)
        } else if lastTold.duration(to: .now) > .seconds(60) {
          lastTold = .now
          terminal.say(shown.text())
        }
      }
    }
  }

  private func failed(_ run: SweepPlan.Run, _ child: ChildCommand) -> SweepRecord {
    .failed(
      SweepFailure(
        variant: run.variant, size: run.size, seed: run.seed, overrides: run.overrides,
        code: child.code,
        failure: child.failure.isEmpty ? "ended with code \(child.code)" : child.failure))
  }

  /// Whether a run was stopped between its end and its line of results.
  private func isFinished(_ checkpoint: Checkpoint) -> Bool {
    guard checkpoint.hasState, let run = try? checkpoint.readConfiguration() else { return false }
    return (try? checkpoint.savedStep()) == run.training.steps
  }

  private func tell(_ record: SweepRecord, _ run: SweepPlan.Run) {
    switch record {
    case .finished(let result):
      terminal.say(
        "run \(run.name): PSNR \(Display.decimals(result.psnr, 2)) dB, "
          + "\(Display.count(result.usedCodes)) of \(Display.count(result.codes, "code")) used, "
          + result.verdict)
    case .failed(let failure):
      terminal.warn("run \(run.name) failed with code \(failure.code): \(failure.failure)")
    }
  }
}
