import Configuration
import Formatting
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
          + (result.codes > 0
            ? "\(Display.count(result.usedCodes)) of \(Display.count(result.codes, "code")) used, "
            : "")
          + result.verdict)
    case .failed(let failure):
      terminal.warn("run \(run.name) failed with code \(failure.code): \(failure.failure)")
    }
  }
}

/// Another command of Tessera as a process of its own: what it prints, how it ends.
///
/// A run that fails, or that the system ends for its memory, so takes nothing else with it.
struct ChildCommand {
  /// The exit code; 128 and the signal's number where a signal ended it.
  let code: Int32
  /// All of standard output.
  let output: String
  /// The error that it printed, or else its last line.
  let failure: String

  /// Runs a command of this package to its end.
  ///
  /// A request to stop is passed to the command once, so that it saves and ends.
  /// - Parameters:
  ///   - shouldStop: asked a few times a second; whether the command is to end.
  ///   - visit: called with each line that the command prints.
  init(
    _ name: String, _ arguments: [String], shouldStop: () -> Bool = { false },
    visit: (String) -> Void = { _ in }
  ) throws {
    let process = Process()
    let (executable, first) = try Self.executable(name)
    process.executableURL = executable
    process.arguments = first + arguments
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    do { try process.run() } catch {
      throw Failure(.internal, "\(name) cannot be started: \(error.localizedDescription)")
    }
    var readers = [
      LineReader(output.fileHandleForReading.fileDescriptor),
      LineReader(errors.fileHandleForReading.fileDescriptor),
    ]
    var text = ""
    var (lastLine, lastError) = ("", "")
    var wasAsked = false
    while readers.contains(where: \.isOpen) {
      // A command in the terminal's own group of processes has had the terminal's signal itself.
      if !wasAsked, shouldStop() {
        wasAsked = true
        if getpgid(process.processIdentifier) != getpgrp() || !Interruption.isRequested {
          process.interrupt()
        }
      }
      for index in readers.indices {
        for line in readers[index].lines(waitingFor: 100) {
          if index == 0 {
            text += line + "\n"
          } else {
            lastLine = line
            if line.hasPrefix("error: ") { lastError = String(line.dropFirst("error: ".count)) }
            visit(line)
          }
        }
      }
    }
    process.waitUntilExit()
    code = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
    self.output = text
    failure = lastError.isEmpty ? lastLine : lastError
  }

  /// A command beside this one, or this program where that has the command too, and the arguments that
  /// come first.
  private static func executable(_ name: String) throws -> (URL, [String]) {
    let own = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
    if CommandName.family != nil { return (own, [name]) }
    for folder in [own, own.resolvingSymlinksInPath()].map({ $0.deletingLastPathComponent() }) {
      let candidate = folder.appendingPathComponent(name)
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return (candidate, []) }
    }
    throw Failure(
      .noInput,
      "\(own.deletingLastPathComponent().path): expected the command \(name) beside this one, "
        + "found none. Install all commands in one folder, or build them: make build.")
  }
}

/// The lines that come through a pipe.
private struct LineReader {
  /// Whether more may come.
  private(set) var isOpen = true
  private let descriptor: Int32
  private var rest: [UInt8] = []

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// The whole lines that have come, after waiting at most so many milliseconds for some.
  mutating func lines(waitingFor milliseconds: Int32) -> [String] {
    guard isOpen else { return [] }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&request, 1, milliseconds) > 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    isOpen = count > 0
    rest += buffer.prefix(max(0, count))
    var lines: [String] = []
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      lines.append(String(decoding: rest[..<end], as: UTF8.self))
      rest.removeSubrange(...end)
    }
    if !isOpen, !rest.isEmpty {
      lines.append(String(decoding: rest, as: UTF8.self))
      rest = []
    }
    return lines
  }
}
