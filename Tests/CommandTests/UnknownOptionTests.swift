import FileTestSupport
import Foundation
import Testing

/// Options that users of other programs type, and options that are misspelt.
@Suite struct UnknownOptionTests {
  @Test(arguments: [
    (["--batch-size", "32"], "Write --set training.batchSize=32."),
    (["--batch-size=32"], "Write --set training.batchSize=32."),
    (["--bs", "32"], "Write --set training.batchSize=32."),
    (["--lr", "3e-4"], "Write --set training.optimizer.learningRate=3e-4."),
    (["-lr", "3e-4"], "Write --set training.optimizer.learningRate=3e-4."),
    (["--learning-rate", "3e-4"], "--set training.optimizer.learningRate=3e-4"),
    (["--weight-decay", "0"], "--set training.optimizer.weightDecay=0"),
    (["--warmup-steps", "10"], "--set training.schedule.warmup=10"),
    (["--epochs", "10"], "One epoch is"),
    (["--iters", "10"], "Write --steps 10."),
    (["--workers", "4"], "Write --threads 4."),
    (["--device", "cuda"], "on the CPU alone"),
    (["--gpu"], "on the CPU alone"),
    (["--fp16"], "32-bit floats"),
    (["--amp"], "32-bit floats"),
    (["--size", "128"], "Write --set data.imageSize=128."),
    (["--image-size", "128"], "--set data.imageSize=128"),
    (["--resolution", "128"], "--set data.imageSize=128"),
    (["--codebook-size", "512"], "--set quantizer.codebookSize=512"),
    (["--wandb"], "metrics.jsonl"),
    (["--name", "first"], "--output"),
    (["--out", "x"], "Write --output x."),
    (["-o", "x"], "Write --output x."),
    (["--val", "x"], "Write --validation x."),
    (["--cfg", "x"], "Write --config x."),
    (["--flip", "false"], "--set data.flip=false"),
    (["--training.steps", "5"], "--set training.steps=5"),
    (["--stpes", "3"], "Did you mean --steps?"),
    (["--ouptut", "3"], "Did you mean --output?"),
    (["--print_plan"], "Did you mean --print-plan?"),
    (["--imagSize", "3"], "data.imageSize"),
    (["--zzzzzz"], "Its options: --config"),
  ])
  func trainSaysWhatToWrite(_ typed: [String], _ answer: String) throws {
    // From a folder of its own, where the preset's images are not, whether or not the demo has drawn them.
    let scratch = try ScratchFolder()
    let file = FileManager.default.currentDirectoryPath + "/configs/fsq.json"
    for arguments in [typed, ["fsq"] + typed, ["--config", file] + typed] {
      let outcome = try CommandRunner.run("train", arguments, in: scratch.path)
      #expect(outcome.code == 64, "\(outcome)")
      let word = typed[0].split(separator: "=")[0]
      #expect(outcome.errors.hasPrefix("error: \(word) is not an option of train. "), "\(outcome)")
      #expect(outcome.errors.contains(answer), "\(outcome)")
      #expect(outcome.errors.contains("Usage: train"), "\(outcome)")
    }
  }

  /// A misspelt option comes before a missing argument.
  @Test(arguments: [
    ("encode", ["--chekpoint", "c"], "Did you mean --checkpoint?"),
    ("encode", ["--model", "c"], "Write --checkpoint c."),
    ("encode", ["--out", "t"], "Write --output t."),
    ("encode", ["--device", "cuda"], "Training is on the CPU alone"),
    ("encode", ["--resolution", "256"], "Write --size 256."),
    ("encode", ["--overwrite"], "Write --force."),
    ("decode", ["--qality", "3"], "Did you mean --quality?"),
    ("compare", ["--report", "r.html"], "Write --html r.html."),
    ("compare", ["--smaples", "s.png"], "Did you mean --samples?"),
    ("scenes", ["--conut", "3"], "Did you mean --count?"),
    ("scenes", ["-j", "3"], "Write --threads 3."),
  ])
  func everyCommandNamesTheNearest(
    _ command: String, _ arguments: [String], _ answer: String
  ) throws {
    let outcome = try CommandRunner.run(command, arguments)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains("is not an option of \(command). \(answer)"), "\(outcome)")
  }

  @Test func epochsBecomeStepsWhereTheFolderIsKnown() throws {
    let scratch = try ScratchFolder()
    for index in 0..<40 { try scratch.write([0], to: "photos/\(index).png") }
    let photos = scratch.file("photos")
    // 40 images, a twentieth held out: 38 in batches of 16.
    let half = try CommandRunner.run("train", ["fsq", "--data", photos, "--epochs", "10"])
    #expect(half.code == 64)
    #expect(half.errors.contains("Write --steps 24: 10 epochs of 38 images"), "\(half)")
    let all = try CommandRunner.run(
      "train",
      [
        "--data", photos, "--epochs=3", "--validation", photos, "--set",
        "training.batchSize=8", "--resume", "--config", "fsq",
      ])
    #expect(all.errors.contains("Write --steps 15: 3 epochs of 40 images"), "\(all)")
  }

  @Test func whatFollowsTwoDashesIsNoOption() throws {
    let outcome = try CommandRunner.run(
      "encode", ["--checkpoint", "nowhere", "--output", "t", "--", "--strange.png"])
    #expect(outcome.code != 64, "\(outcome)")
    #expect(!outcome.errors.contains("is not an option"), "\(outcome)")
  }
}
