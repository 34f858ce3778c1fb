import FileTestSupport
import Foundation
import Testing

/// `train` as a user runs it: what it leaves, what it says, how it ends.
@Suite struct TrainCommandTests {
  let scratch: ScratchFolder
  let images: String
  let config: String

  init() throws {
    scratch = try ScratchFolder()
    images = try scratch.folder("Bilder für Übung")
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "12", "--validation", "2", "--size", "16"])
    try #require(drawn.code == 0, "\(drawn)")
    for name in try FileManager.default.contentsOfDirectory(atPath: scratch.file("drawn/train")) {
      try FileManager.default.moveItem(
        atPath: scratch.file("drawn/train/" + name), toPath: images + "/" + name)
    }
    config = scratch.file("run.json")
    try Self.configuration(train: images).write(toFile: config, atomically: true, encoding: .utf8)
  }

  /// A run of a small network that takes moments.
  static func configuration(train: String) -> String {
    """
    {
      "description": "a test",
      "data": {"train": "\(train)", "validationShare": 0.2, "imageSize": 16, "resize": "none"},
      "model": {"channels": [8, 16], "normGroups": 8, "latentChannels": 4},
      "quantizer": {"type": "fsq", "levels": [4, 3]},
      "training": {"steps": 6, "batchSize": 4, "lanes": 2},
      "monitor": {"logEvery": 2, "evaluateEvery": 3, "evaluationImages": 4, "samples": 2,
                  "checkpointEvery": 2}
    }
    """
  }

  func train(_ arguments: String..., fileLimit: Int? = nil) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "train", ["--config", config, "--output", scratch.file("run")] + arguments,
      fileLimit: fileLimit)
  }

  func bytes(_ name: String) -> Data? { FileManager.default.contents(atPath: scratch.file(name)) }

  @Test func aRunLeavesACheckpointAJournalAndSamples() throws {
    let outcome = try train()
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("6 steps, PSNR"))
    #expect(outcome.errors.contains("step 6: saved in"))
    let files = scratch.files().filter { $0.hasPrefix("run/") }
    #expect(files.count { $0.hasPrefix("run/events.out.tfevents.") } == 1)
    #expect(
      files.filter { !$0.contains("tfevents") } == [
        "run/config.json", "run/data.jsonl", "run/images.index", "run/metrics.jsonl",
        "run/model.safetensors",
        "run/samples/0000003.png", "run/samples/0000006.png", "run/state.safetensors",
      ])
    let lines = String(decoding: bytes("run/metrics.jsonl") ?? Data(), as: UTF8.self)
      .split(separator: "\n")
    #expect(lines.count { $0.contains(#""kind": "step""#) } == 3)
    #expect(lines.count { $0.contains(#""kind": "evaluation""#) } == 2)
  }

  /// What was replaced is listed at the end, and a limit ends the run with a checkpoint.
  @Test func damagedImagesAreListedAtTheEnd() throws {
    let folder = try ScratchFolder.forTraining(steps: 8)
    let path = folder.file("in/3.png")
    let whole = try ScratchFolder.read(path)
    // Its header is good, and so it is met in training.
    try ScratchFolder.put(Array(whole.dropLast(20)), at: path)
    func train(_ options: [String]) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "train",
        [
          "c.json", "--output", "run", "--set", "data.cacheMegabytes=0", "--set",
          "data.validationShare=0.01",
        ] + options, in: folder.path)
    }
    let limited = try train(["--set", "data.damagedLimit=0"])
    expect(limited, 65, "at most 0 images", "data.damagedLimit", "1 image to train on", "3.png")
    expect(
      try CommandRunner.run(
        "train", ["--resume", "--output", "run", "--set", "data.damagedLimit=1"], in: folder.path),
      0, "1 image to train on cannot be used and was replaced by the next: 3.png")
  }

  @Test func aQuietRunTellsOnlyItsResult() throws {
    let outcome = try train("--quiet", "--steps", "1")
    #expect(outcome.code == 0)
    #expect(outcome.errors == "")
    #expect(outcome.output.contains("1 step, PSNR"))
  }

  @Test func stoppedByCtrlCItSavesAndGoesOnBitByBit() throws {
    let straight = try CommandRunner.run(
      "train",
      ["--config", config, "--output", scratch.file("straight"), "--steps", "600", "--quiet"])
    #expect(straight.code == 0, "\(straight)")

    let stopped = try CommandRunner.run(
      program: CommandRunner.path(of: "train"),
      ["--config", config, "--output", scratch.file("run"), "--steps", "600"], sending: [SIGINT],
      after: "step 4")
    #expect(stopped.code == 130 && !stopped.isKilled, "\(stopped)")
    #expect(stopped.errors.contains("Resume with: train --resume --output"))

    let outcome = try CommandRunner.run("train", ["--resume", "--output", scratch.file("run")])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(bytes("run/model.safetensors") == bytes("straight/model.safetensors"))
    #expect(!stopped.errors.contains("step 600"), "it was done before it could be stopped")
    let steps = String(decoding: bytes("run/metrics.jsonl") ?? Data(), as: UTF8.self)
      .split(separator: "\n").count { $0.contains(#""kind": "step""#) }
    #expect(steps == 300)
  }

  @Test func anOutputThatExistsIsLeftAsItIs() throws {
    #expect(try train().code == 0)
    let before = bytes("run/state.safetensors")
    let outcome = try train()
    #expect(outcome.code == 73)
    #expect(outcome.errors.contains("--resume"))
    #expect(bytes("run/state.safetensors") == before)
  }

  @Test func aFullDiskLeavesThePreviousCheckpointWhole() throws {
    #expect(try train("--steps", "2").code == 0)
    let before = bytes("run/state.safetensors")
    // 16 blocks of 512 bytes: the journal fits, the weights do not.
    let outcome = try train("--resume", "--steps", "6", fileLimit: 16)
    #expect(outcome.code == 74, "\(outcome)")
    #expect(bytes("run/state.safetensors") == before)
    #expect(!scratch.files().contains { $0.hasSuffix(".partial") })
    #expect(try train("--resume").code == 0)
  }

  @Test func imagesThatCannotBeDecodedAreLeftOutByName() throws {
    try Data("no image".utf8).write(to: URL(fileURLWithPath: images + "/broken ü.png"))
    let outcome = try train("--steps", "1")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.errors.contains("warning: skipped: "))
    #expect(outcome.errors.contains("broken ü.png"))
  }

  @Test func numbersThatExplodeEndTheRunWithStepAndLayer() throws {
    let outcome = try train("--set", "training.optimizer.learningRate=1e30")
    #expect(outcome.code == 70, "\(outcome)")
    #expect(outcome.errors.contains("not finite"))
    #expect(outcome.errors.contains("step 2"))
  }

  @Test func schemaAndPlanArePrinted() throws {
    let schema = try CommandRunner.run("train", ["--print-schema"])
    #expect(schema.code == 0)
    let file = CommandRunner.repository.appendingPathComponent("configs/tessera.schema.json")
    #expect(try schema.output == String(contentsOf: file, encoding: .utf8))

    let plan = try train("--print-plan")
    #expect(plan.code == 0)
    #expect(plan.output.contains("convolution [2, 16, 16, 8]  encoder.conv_in"))
    #expect(plan.output.contains("MB if nothing shared memory"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("run")))
  }

  @Test func aTraceAccountsForAllTimeAndSavesNothing() throws {
    let outcome = try train("--trace", "--steps", "2")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.hasPrefix("2 steps traced: "))
    let lines = outcome.output.split(separator: "\n", omittingEmptySubsequences: false)
    let start = try #require(lines.firstIndex { $0.hasPrefix("operation ") })
    let end = try #require(lines[start...].firstIndex(of: ""))
    func milliseconds(_ line: Substring) -> Double {
      // Calls, where they are counted, come before the first number with a point.
      line.split(separator: " ").lazy.compactMap { $0.contains(".") ? Double($0) : nil }.first ?? -1
    }
    let rows = lines[(start + 2)..<(end - 1)]
    #expect(rows.contains { $0.hasPrefix("convolution 3x3 ") })
    #expect(rows.contains { $0.hasPrefix("(optimizer)") })
    #expect(rows.map(milliseconds) == rows.map(milliseconds).sorted(by: >))
    let sum = rows.reduce(0) { $0 + milliseconds($1) }
    #expect(lines[end - 1].hasPrefix("all threads together"))
    #expect(abs(sum - milliseconds(lines[end - 1])) <= 0.005 * Double(rows.count + 1))
    #expect(outcome.output.contains("encoder.conv_in  convolution 3x3"))
    #expect(outcome.output.contains("peak memory of the process"))
    #expect(!FileManager.default.fileExists(atPath: scratch.file("run")))
  }

  /// Each of these ends before step 0, with one clear sentence and the right exit code.
  @Test(arguments: [
    (["--set", "training.stesp=3"], 65, "Did you mean \"steps\"?"),
    (["--set", "quantizer.levels=[8,1]"], 65, "quantizer.levels"),
    (
      ["--set", #"quantizer={"type": "vq", "codebookSize": 0}"#], 65, "quantizer.codebookSize"
    ),
    (["--set", "data.imageSize=15"], 65, "The nearest are 14 and 16."),
    (["--set", "data.imageSize=32"], 65, "Set resize to \"cover\""),
    (["--set", "training.batchSize=5"], 65, "training.batchSize"),
    (["--set", "nonsense"], 65, "key.path=value"),
    (["--data", "EMPTY"], 66, "an empty folder"),
    (["--data", "TEXTS"], 66, ".txt"),
    (["--data", "NOWHERE"], 66, "found nothing at this path"),
    (["--resume"], 66, "state.safetensors"),
    (["--trace", "--resume"], 64, "remove --resume"),
    (["--trace", "--steps", "0"], 64, "at least 1"),
    (["--threads", "0"], 64, "--threads"),
    (["--steps", "many"], 64, "--steps"),
  ])
  func badInputEndsBeforeStepOne(
    _ arguments: [String], _ code: Int, _ words: String
  ) throws {
    try scratch.folder("empty ü")
    try scratch.write("words", to: "texts ü/a.txt")
    let outcome = try CommandRunner.run(
      "train",
      ["--config", config, "--output", scratch.file("run")]
        + arguments.map {
          switch $0 {
          case "EMPTY": scratch.file("empty ü")
          case "TEXTS": scratch.file("texts ü")
          case "NOWHERE": scratch.file("nowhere")
          default: $0
          }
        })
    #expect(Int(outcome.code) == code, "\(outcome)")
    #expect(outcome.errors.contains(words), "\(outcome)")
    #expect(!FileManager.default.fileExists(atPath: scratch.file("run")))
  }

  @Test func aConfigurationThatIsMissingOrBrokenIsNamed() throws {
    let missing = try CommandRunner.run("train", ["--config", scratch.file("no such.json")])
    #expect(missing.code == 66)
    #expect(missing.errors.contains("no such.json"))
    try scratch.write(Array("{\"data\": ".utf8), to: "cut.json")
    let cut = try CommandRunner.run("train", ["--config", scratch.file("cut.json")])
    #expect(cut.code == 65)
    #expect(cut.errors.contains("cut.json"))
    let none = try CommandRunner.run("train", [])
    #expect(none.code == 64)
    #expect(none.errors.contains("--config"))
  }

  @Test func aDamagedCheckpointIsNotResumed() throws {
    #expect(try train().code == 0)
    let state = scratch.file("run/state.safetensors")
    let whole = try Data(contentsOf: URL(fileURLWithPath: state))
    try whole.prefix(whole.count / 2).write(to: URL(fileURLWithPath: state))
    let cut = try train("--resume", "--steps", "8")
    #expect(cut.code == 65)
    #expect(cut.errors.contains("cut short"))
    try whole.write(to: URL(fileURLWithPath: state))
    let other = try train("--resume", "--steps", "8", "--set", "quantizer.levels=[3,4]")
    #expect(other.code == 65)
    #expect(other.errors.contains("quantizer.levels"))
    let done = try train("--resume")
    #expect(done.code == 64)
    #expect(done.errors.contains("Raise --steps"))
  }
}
