import FileTestSupport
import Foundation
import Testing

/// Signals to a training run: the step is finished and saved, and the exit code says which came.
@Suite("Signals")
struct SignalTests {
  private let folder: ScratchFolder

  init() throws { folder = try .forTraining(steps: 1_000_000) }

  /// Starts training by a line of bash, and sends signals once it is at work.
  private func train(
    _ line: String = "exec \"$0\" \"$@\"", _ arguments: [String] = [], signals: [Int32]
  ) throws -> CommandRunner.Outcome {
    let outcome = try CommandRunner.run(
      program: "/bin/bash",
      ["-c", line, CommandRunner.path(of: "train"), "--config", "c.json", "--output", "run"]
        + arguments,
      in: folder.path, sending: signals, after: "step 3/")
    #expect(!outcome.isKilled, "\(outcome)")
    return outcome
  }

  @Test(
    "the step is finished and saved",
    arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
  func saves(signal: Int32, code: Int32) throws {
    let outcome = try train(signals: [signal])
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.errors.contains("Resume with: train --resume"), "\(outcome)")
    #expect(folder.files().contains("run/state.safetensors"))
  }

  @Test("a second request ends it at once")
  func twice() throws {
    let outcome = try train(signals: [SIGINT, SIGTERM])
    // Which comes second is the system's choice.
    #expect([130, 143].contains(outcome.code), "\(outcome)")
    #expect(!outcome.errors.contains("Resume with"), "\(outcome)")
  }

  @Test("a hang-up told twice, by the shell and by the kernel, is one")
  func hangUpTwice() throws {
    let outcome = try train(signals: [SIGHUP, SIGHUP])
    #expect(outcome.code == 129, "\(outcome)")
    #expect(folder.files().contains("run/state.safetensors"))
  }

  @Test("under nohup a hang-up is nothing")
  func nohup() throws {
    let outcome = try train(
      "trap '' HUP; exec \"$0\" \"$@\"", ["--steps", "60"], signals: [SIGHUP])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.errors.contains("step 60/60"), "\(outcome)")
  }
}
