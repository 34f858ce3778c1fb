import FileTestSupport
import Foundation
import Testing

/// `sweep` as a user runs it: finished runs stay, interrupted ones go on, failed ones are recorded.
@Suite struct SweepCommandTests {
  private let scratch: ScratchFolder

  init() throws {
    scratch = try ScratchFolder()
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "12", "--validation", "2", "--size", "16"])
    try #require(drawn.code == 0, "\(drawn)")
    try scratch.write(
      Array(TrainCommandTests.configuration(train: scratch.file("drawn/train")).utf8),
      to: "run.json")
    try plan(#"{"name": "small"}, {"name": "large", "set": ["quantizer.levels=[5,5]"]}"#)
  }

  private func plan(_ variants: String, seeds: String = "[0, 1]", steps: Int = 4) throws {
    try scratch.write(
      Array(
        """
        {"config": "\(scratch.file("run.json"))", "set": ["training.steps=\(steps)"],
         "seeds": \(seeds), "variants": [\(variants)]}
        """.utf8), to: "plan.json")
  }

  private func sweep(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "sweep", [scratch.file("plan.json"), "--output", scratch.file("runs")] + arguments)
  }

  private func bytes(_ name: String) -> Data? {
    FileManager.default.contents(atPath: scratch.file(name))
  }

  private var lines: [String] {
    String(decoding: bytes("runs/results.jsonl") ?? Data(), as: UTF8.self).split(separator: "\n")
      .map(String.init)
  }

  @Test func everyRunIsTrainedOnceAndReported() throws {
    let outcome = try sweep()
    #expect(outcome.code == 0, "\(outcome)")
    #expect(lines.count == 4)
    for name in ["small-0", "small-1", "large-0", "large-1"] {
      #expect(bytes("runs/\(name)/model.safetensors") != nil)
    }
    let report = String(decoding: bytes("runs/report.md") ?? Data(), as: UTF8.self)
    #expect(report.contains("PSNR dB"), "\(report)")
    #expect(report.contains(" ± "), "means over seeds: \(report)")
    #expect(outcome.output.contains("| small "))
    #expect(bytes("runs/report.html")?.isEmpty == false)
    let text = String(decoding: bytes("runs/report.txt") ?? Data(), as: UTF8.self)
    #expect(text.contains("verdict"))
    #expect(outcome.output.contains("verdict"))

    // Once more: nothing is trained again, the report is.
    let model =
      try FileManager.default.attributesOfItem(
        atPath: scratch.file("runs/small-0/model.safetensors"))[.modificationDate] as? Date
    try FileManager.default.removeItem(atPath: scratch.file("runs/report.md"))
    let again = try sweep()
    #expect(again.code == 0, "\(again)")
    #expect(!again.errors.contains("run 1/4"), "\(again)")
    #expect(lines.count == 4)
    #expect(bytes("runs/report.md") != nil)
    #expect(
      try FileManager.default.attributesOfItem(
        atPath: scratch.file("runs/small-0/model.safetensors"))[.modificationDate] as? Date == model
    )
  }

  @Test func aRunIsTheOneThatTrainMakes() throws {
    try plan(#"{"name": "v", "set": ["quantizer.levels=[5,5]"]}"#, seeds: "[7]")
    #expect(try sweep().code == 0)
    let train = try CommandRunner.run(
      "train",
      [
        "--config", scratch.file("run.json"), "--output", scratch.file("alone"), "--steps", "4",
        "--seed", "7", "--set", "quantizer.levels=[5,5]",
      ])
    #expect(train.code == 0)
    #expect(bytes("alone/model.safetensors") == bytes("runs/v-7/model.safetensors"))
  }

  @Test func aRunThatFailsIsRecordedAndTheRestGoesOn() throws {
    try plan(
      #"{"name": "bad", "set": ["training.optimizer.learningRate=1e30"]}, {"name": "good"}"#)
    let outcome = try sweep()
    #expect(outcome.code == 65, "\(outcome)")
    #expect(lines.count == 4)
    #expect(
      lines.count { $0.contains(#""code":70"#) && $0.contains("not finite") } == 2, "\(lines)")
    #expect(outcome.errors.contains("run bad-0 failed with code 70"), "\(outcome)")
    #expect(outcome.output.contains("2 runs failed:"), "\(outcome)")
    #expect(outcome.output.contains("| good "), "\(outcome)")
    #expect(
      String(decoding: bytes("runs/report.md") ?? Data(), as: UTF8.self).contains("2 runs failed:"))
    let list = try sweep("--dry-run")
    #expect(list.output.contains("failed  bad-0"), "\(list)")
    #expect(list.output.contains("done    good-0"), "\(list)")
    // It is tried again, and its line replaced.
    let again = try sweep()
    #expect(again.code == 65)
    #expect(again.errors.contains("run 1/4 bad-0"))
    #expect(!again.errors.contains("run 2/4 good-0"))
  }

  @Test func anInterruptedRunGoesOnBitByBit() throws {
    try plan(#"{"name": "v"}"#, seeds: "[0]", steps: 900)
    let process = Process()
    process.executableURL = CommandRunner.buildFolder.appendingPathComponent("sweep")
    process.arguments = [scratch.file("plan.json"), "--output", scratch.file("runs")]
    let errors = Pipe()
    process.standardError = errors
    process.standardOutput = FileHandle.nullDevice
    try process.run()
    while process.isRunning, bytes("runs/v-0/state.safetensors") == nil { usleep(5000) }
    process.interrupt()
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    #expect(process.terminationStatus == 130, "\(said)")
    #expect(said.contains("The same command resumes"), "\(said)")
    #expect(lines.isEmpty)
    #expect(try sweep("--dry-run").output.contains("started v-0"))

    let outcome = try sweep()
    #expect(outcome.code == 0, "\(outcome)")
    #expect(lines.count == 1)
    let straight = try CommandRunner.run(
      "train",
      [
        "--config", scratch.file("run.json"), "--output", scratch.file("straight"), "--steps",
        "900", "--quiet",
      ])
    #expect(straight.code == 0)
    #expect(bytes("runs/v-0/model.safetensors") == bytes("straight/model.safetensors"))
  }

  @Test func whenTheTimeIsUpTheRunIsSavedAndTheRestWaits() throws {
    try plan(#"{"name": "v"}"#, steps: 100_000)
    let outcome = try sweep("--minutes", "0.03")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.errors.contains("2 runs left; the same command resumes"), "\(outcome)")
    #expect(lines.isEmpty)
    #expect(bytes("runs/v-0/state.safetensors") != nil)
  }

  @Test func aDryRunTrainsNothing() throws {
    let outcome = try sweep("--dry-run")
    #expect(outcome.code == 0)
    #expect(outcome.output.contains("to do   large-1  training.steps=4"), "\(outcome)")
    #expect(outcome.output.hasSuffix("4 runs\n"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("runs")))
  }

  @Test func resultsOfAnotherConfigurationAreNotMixedIn() throws {
    #expect(try sweep().code == 0)
    let text = try String(contentsOfFile: scratch.file("run.json"), encoding: .utf8)
    try scratch.write(
      Array(
        text.replacingOccurrences(of: "\"latentChannels\": 4", with: "\"latentChannels\": 6").utf8),
      to: "run.json")
    let outcome = try sweep()
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("was trained with another configuration"), "\(outcome)")
  }

  @Test func aLineThatWasCutShortIsWrittenAgain() throws {
    #expect(try sweep().code == 0)
    let whole = try #require(bytes("runs/results.jsonl"))
    try whole.prefix(whole.count - 40).write(
      to: URL(fileURLWithPath: scratch.file("runs/results.jsonl")))
    let outcome = try sweep()
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("4 of 4 runs"), "\(outcome)")
    #expect(try sweep().code == 0)
  }

  @Test func badPlansEndBeforeTheFirstRun() throws {
    try plan(#"{"name": "v", "set": ["lr=1"]}"#)
    let key = try sweep()
    #expect(key.code == 65)
    #expect(key.errors.contains("training.optimizer.learningRate"), "\(key)")
    let missing = try CommandRunner.run(
      "sweep", [scratch.file("no plan.json"), "--output", scratch.file("runs")])
    #expect(missing.code == 66)
    #expect(try CommandRunner.run("sweep", []).code == 64)
    #expect(try CommandRunner.run("sweep", [scratch.file("plan.json")]).code == 64)
    #expect(try sweep("--minutes", "0").code == 64)
    #expect(!FileManager.default.fileExists(atPath: scratch.file("runs")))
  }
}
