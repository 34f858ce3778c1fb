import FileTestSupport
import Foundation
import Testing

/// Runs that are stopped, go on, begin with other weights or lose images, as a user meets them.
@Suite struct TrainLifeTests {
  let scratch: ScratchFolder
  let images: String
  let config: String

  init() throws {
    scratch = try ScratchFolder()
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "24", "--validation", "2", "--size", "16"])
    try #require(drawn.code == 0, "\(drawn)")
    images = scratch.file("drawn/train")
    config = scratch.file("run.json")
    try TrainCommandTests.configuration(train: images)
      .write(toFile: config, atomically: true, encoding: .utf8)
  }

  private func train(_ arguments: String..., in folder: String? = nil) throws
    -> CommandRunner.Outcome
  {
    try CommandRunner.run("train", arguments, in: folder)
  }

  /// Each message's advice works word for word.
  @Test func afterAnExplosionTheAdviceWorks() throws {
    let run = scratch.file("run")
    let first = try train(
      "--config", config, "--output", run, "--set", "training.optimizer.learningRate=1e30",
      "--set", "monitor.checkpointEvery=100")
    #expect(first.code == 70, "\(first)")
    #expect(first.errors.contains("run the same command again"), "\(first)")
    let second = try train(
      "--config", config, "--output", run, "--set", "training.optimizer.learningRate=0.001",
      "--set", "monitor.checkpointEvery=100")
    #expect(second.code == 0, "\(second)")
    let third = try train("--config", config, "--output", run)
    #expect(third.code == 73 && third.errors.contains("Add --resume"), "\(third)")
  }

  @Test func otherValuesNeedToBeAllowed() throws {
    let run = scratch.file("run")
    #expect(try train("--config", config, "--output", run).code == 0)
    let rate = ["--set", "training.optimizer.learningRate=1e-4", "--steps", "8"]
    let refused = try CommandRunner.run("train", ["--resume", "--output", run] + rate)
    #expect(refused.code == 65, "\(refused)")
    #expect(refused.errors.contains("Add --allow-changes"), "\(refused)")
    let allowed = try CommandRunner.run(
      "train", ["--resume", "--output", run, "--allow-changes"] + rate)
    #expect(allowed.code == 0, "\(allowed)")
    #expect(try train("--allow-changes", "--config", config).code == 64)
    #expect(try train("--config", config, "--output", "").code == 64)
  }

  /// The same command starts a job, continues it, and leaves it alone once it is finished.
  @Test func theSameCommandStartsAndContinues() throws {
    let whole = scratch.file("whole")
    #expect(try train("--config", config, "--output", whole, "--steps", "8").code == 0)
    let run = scratch.file("run")
    func requeued(_ steps: String) throws -> CommandRunner.Outcome {
      try train("--config", config, "--output", run, "--steps", steps, "--resume-if-there")
    }
    // What was killed before anything was saved is begun again.
    try FileManager.default.createDirectory(atPath: run, withIntermediateDirectories: true)
    try FileManager.default.copyItem(
      atPath: whole + "/config.json", toPath: run + "/config.json")
    let first = try requeued("4")
    #expect(first.code == 0 && !first.errors.contains("continuing it"), "\(first)")
    let second = try requeued("8")
    #expect(
      second.code == 0 && second.errors.contains("run holds a run: continuing it"), "\(second)")
    #expect(
      FileManager.default.contentsEqual(
        atPath: run + "/model.safetensors", andPath: whole + "/model.safetensors"))
    let third = try requeued("8")
    #expect(
      third.code == 0 && third.output.contains("the run is finished; nothing to do"), "\(third)")
    // From other weights: they are where it began, and are not taken again.
    let tuned = scratch.file("tuned")
    for steps in ["2", "4"] {
      let outcome = try train(
        "--from", whole, "--output", tuned, "--steps", steps, "--resume-if-there")
      #expect(outcome.code == 0, "\(outcome)")
      #expect(outcome.errors.contains("continuing it") == (steps == "4"), "\(outcome)")
    }
    // Weights without a state are nobody's to replace.
    try FileManager.default.removeItem(atPath: tuned + "/state.safetensors")
    let kept = try train(
      "--from", whole, "--output", tuned, "--steps", "4", "--resume-if-there")
    #expect(kept.code == 73, "\(kept)")
    for flag in ["--resume", "--trace", "--estimate"] {
      #expect(
        try train("--config", config, "--output", run, "--resume-if-there", flag).code == 64)
    }
  }

  @Test func aRelativeFolderIsFoundFromElsewhere() throws {
    try TrainCommandTests.configuration(train: "drawn/train")
      .write(toFile: config, atomically: true, encoding: .utf8)
    let begun = try train(
      "--config", "run.json", "--output", "run", in: scratch.file("."))
    #expect(begun.code == 0, "\(begun)")
    try scratch.folder("elsewhere")
    let resumed = try train(
      "--resume", "--output", "../run", "--steps", "8", in: scratch.file("elsewhere"))
    #expect(resumed.code == 0, "\(resumed)")
    let compared = try CommandRunner.run("compare", ["../run"], in: scratch.file("elsewhere"))
    #expect(compared.code == 0, "\(compared)")
    try FileManager.default.moveItem(
      atPath: scratch.file("drawn"), toPath: scratch.file("moved"))
    let lost = try train("--resume", "--output", "run", "--steps", "9", in: scratch.file("."))
    #expect(lost.code == 66 && lost.errors.contains("Name the folder by --data"), "\(lost)")
    let found = try train(
      "--resume", "--output", "run", "--steps", "9", "--data", "moved/train",
      in: scratch.file("."))
    #expect(found.code == 0, "\(found)")
  }

  @Test func fineTuningAndTheBestWeights() throws {
    let (first, tuned) = (scratch.file("first"), scratch.file("tuned"))
    #expect(
      try train("--config", config, "--output", first, "--set", "monitor.keepBest=psnr").code == 0)
    let begun = try train(
      "--from", first, "--weights", "best", "--data", images, "--output", tuned, "--steps", "3",
      "--set", "training.optimizer.learningRate=1e-4", "--set", "monitor.keepBest=none")
    #expect(begun.code == 0, "\(begun)")
    let journal = try String(
      contentsOfFile: tuned + "/metrics.jsonl", encoding: .utf8)
    #expect(journal.prefix { $0 != "\n" }.contains("\"from\": {\"folder\": "))
    for (arguments, words) in [
      (["--from", first, "--resume"], "choose one"), (["--from", first], "--output"),
      (["--config", config, "--weights", "best"], "add --from"),
    ] {
      let outcome = try CommandRunner.run("train", arguments)
      #expect(outcome.code == 64 && outcome.errors.contains(words), "\(outcome)")
    }
    let onto = try train("--from", first, "--data", images, "--output", first)
    #expect(onto.code == 73, "\(onto)")
    let misfit = try train(
      "--from", first, "--data", images, "--output", scratch.file("other"), "--set",
      "model.latentChannels=8")
    #expect(misfit.code == 65 && misfit.errors.contains("has shape ["), "\(misfit)")

    var fingerprints: Set<String> = []
    for weights in ["model", "best"] {
      let tokens = scratch.file("\(weights).npy")
      let encoded = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", first, "--weights", weights, "--format", "npy", "--output",
          tokens, images,
        ])
      #expect(encoded.code == 0, "\(encoded)")
      let sidecar = try String(contentsOfFile: scratch.file("\(weights).npy.json"), encoding: .utf8)
      let found = try #require(sidecar.firstMatch(of: /"fingerprint": *"([0-9a-f]+)"/))
      fingerprints.insert(String(found.1))
      let decoded = try CommandRunner.run(
        "decode",
        [
          "--checkpoint", first, "--weights", weights, "--output",
          scratch.file("decoded \(weights)"), tokens,
        ])
      #expect(decoded.code == 0, "\(decoded)")
    }
    let same =
      try Data(contentsOf: URL(fileURLWithPath: first + "/model.safetensors")).suffix(4000)
      == Data(contentsOf: URL(fileURLWithPath: first + "/best.safetensors")).suffix(4000)
    #expect(fingerprints.count == (same ? 1 : 2))
    #expect(
      try CommandRunner.run("compare", [first, "--weights", "best", "--data", images]).code == 0)
    let none = try CommandRunner.run(
      "encode",
      [
        "--checkpoint", tuned, "--weights", "best", "--output", scratch.file("x.npy"),
        "--format", "npy", images,
      ])
    #expect(none.code == 66 && none.errors.contains("monitor.keepBest"), "\(none)")
  }

  @Test func aRunThatDoesNotImproveEnds() throws {
    let outcome = try train(
      "--config", config, "--output", scratch.file("run"), "--steps", "60", "--set",
      "training.patience=2", "--set", "training.minDelta=50")
    #expect(outcome.code == 0, "\(outcome)")
    #expect(
      outcome.output.contains("no improvement for 2 evaluations; best "), "\(outcome)")
    let again = try train("--resume", "--output", scratch.file("run"))
    #expect(again.code == 64 && again.errors.contains("training.patience"), "\(again)")
  }
}
