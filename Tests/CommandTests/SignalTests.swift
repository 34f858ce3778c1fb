import FileTestSupport
import Foundation
import Testing

/// Signals to a training run: the step is finished and saved, and the exit code says which came.
@Suite("Signals")
struct SignalTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    for number in 0..<6 {
      try folder.write(SampleImages.png(32, 32, number: number), to: "in/\(number).png")
    }
    let configuration = """
      {
        "data": {"train": "in", "imageSize": 16},
        "model": {"channels": [32], "latentChannels": 4}, "quantizer": {"type": "fsq"},
        "training": {"steps": 1000000, "batchSize": 2, "lanes": 1},
        "monitor": {"logEvery": 1, "checkpointEvery": 1000000, "evaluateEvery": 1000000}
      }
      """
    try folder.write(Array(configuration.utf8), to: "c.json")
  }

  /// Starts training by a line of bash, sends signals once it is at work, and waits for the end.
  private func train(
    _ line: String = "exec \"$0\" \"$@\"", _ arguments: [String] = [], signals: [Int32]
  ) throws -> (code: Int32, said: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/bin/bash")
    let program = CommandRunner.buildFolder.appendingPathComponent("train").path
    process.arguments =
      ["-c", line, program, "--config", "c.json", "--output", "run"] + arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder.path)
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    var said = ""
    while !said.contains("step 3/"), process.isRunning {
      said += String(decoding: errors.fileHandleForReading.availableData, as: UTF8.self)
    }
    for signal in signals { kill(process.processIdentifier, signal) }
    said += String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let isKilled = process.terminationReason == .uncaughtSignal
    return (process.terminationStatus + (isKilled ? 1000 : 0), said)
  }

  @Test(
    "the step is finished and saved",
    arguments: [(SIGINT, 130), (SIGTERM, 143), (SIGHUP, 129)] as [(Int32, Int32)])
  func saves(signal: Int32, code: Int32) throws {
    let outcome = try train(signals: [signal])
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.said.contains("Resume with: train --resume"), "\(outcome)")
    #expect(folder.files().contains("run/state.safetensors"))
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
    #expect(outcome.said.contains("step 60/60"), "\(outcome)")
  }
}
