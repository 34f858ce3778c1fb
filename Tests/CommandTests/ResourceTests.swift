import FileTestSupport
import Foundation
import Testing

/// Machines that are too small: memory, threads, open files.
@Suite("Few resources")
struct ResourceTests {
  private let folder: ScratchFolder

  init() throws { folder = try .forTraining(steps: 2, lanes: 2) }

  /// Runs a command under limits of bash's `ulimit`.
  private func run(
    _ command: String, _ arguments: [String], limit: String
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      line: "ulimit \(limit) && exec \"$0\" \"$@\"", command, arguments, in: folder.path)
  }

  private var train: [String] { ["--config", "c.json", "--output", "run"] }

  @Test(
    "a run that does not fit is refused before its folder is made",
    arguments: [
      ["data.imageSize=8192"],
      ["data.imageSize=8192", "model.attentionLevels=[0]"],
      ["training.batchSize=1048576"],
      ["training.microBatch=1048576", "training.batchSize=1048576", "training.lanes=1"],
      ["model.channels=[8192,8192,8192,8192]", "model.blocksPerLevel=16"],
      [
        "model.channels=[8192,8192,8192,8192,8192,8192,8192,8192,8192,8192,8192,8192]",
        "data.imageSize=2048",
      ],
      [#"quantizer={"type":"vq","codebookSize":16777216,"codeDimension":8192}"#],
      [#"quantizer={"type":"residual-vq","depth":32,"codebookSize":16777216}"#],
      [
        "data.imageSize=8192", "model.attentionLevels=[0]", "training.microBatch=1048576",
        "training.batchSize=1048576", "training.lanes=1",
      ],
    ])
  func tooLarge(values: [String]) throws {
    let outcome = try run(
      "train", train + values.flatMap { ["--set", $0] }, limit: "-v 6000000")
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: training needs "), "\(outcome)")
    #expect(outcome.errors.contains("ulimit -v (6,144 MB) leaves "), "\(outcome)")
    #expect(outcome.errors.contains("Lower "), "\(outcome)")
    #expect(!folder.files().contains { $0.hasPrefix("run") })
  }

  @Test("a checkpoint from elsewhere that does not fit is refused by all who read it")
  func foreignCheckpoint() throws {
    let tiny = try TinyCheckpoint.of(.vq)
    try FileManager.default.copyItem(atPath: tiny.path, toPath: folder.file("big"))
    let url = URL(fileURLWithPath: folder.file("big/config.json"))
    var text = String(decoding: try Data(contentsOf: url), as: UTF8.self)
    text = text.replacingOccurrences(
      of: "\"codebookSize\": 300", with: "\"codebookSize\": 16777216")
    text = text.replacingOccurrences(of: "\"codeDimension\": 4", with: "\"codeDimension\": 8192")
    try Data(text.utf8).write(to: url)
    #expect(try tiny.encode([folder.file("in")], to: folder.file("t.npy")).code == 0)
    for (command, arguments) in [
      ("encode", ["--checkpoint", "big", "--output", "new.npy", "in"]),
      ("decode", ["--checkpoint", "big", "--output", "out", "t.npy"]),
      ("compare", ["big", "--data", "in"]),
    ] {
      let outcome = try run(command, arguments, limit: "-v 6000000")
      #expect(outcome.code == 65, "\(outcome)")
      #expect(outcome.errors.contains("big: the tokenizer of config.json needs 549,"), "\(outcome)")
    }
    #expect(!folder.files().contains { $0.hasPrefix("out") || $0.hasPrefix("new") })
  }

  @Test(
    "with little address space commands work or say why not",
    arguments: [200_000, 240_000, 300_000, 400_000, 600_000, 1_000_000])
  func addressSpace(kibibytes: Int) throws {
    let outcome = try run("train", train, limit: "-v \(kibibytes)")
    #expect([0, 65, 70].contains(outcome.code), "\(outcome)")
    #expect(outcome.code == 0 || outcome.errors.contains("error: "), "\(outcome)")
  }

  @Test("with few open files no image counts as bad", arguments: [4, 5, 6, 7, 8, 10])
  func openFiles(count: Int) throws {
    let trained = try CommandRunner.run("train", train + ["--quiet"], in: folder.path)
    try #require(trained.code == 0, "\(trained)")
    let encode = ["--checkpoint", "run", "--output", "tokens.npy", "in"]
    let retrain = ["--config", "c.json", "--output", "other"]
    for (command, arguments) in [("train", retrain), ("encode", encode)] {
      let outcome = try run(command, arguments, limit: "-n \(count)")
      #expect([0, 70, 73, 74].contains(outcome.code), "\(outcome)")
      #expect(!outcome.errors.contains("skipped"), "\(outcome)")
      #expect(outcome.code == 0 || outcome.errors.contains("error: "), "\(outcome)")
      #expect(
        outcome.code == 0 || outcome.errors.contains("Too many open files"), "\(outcome)")
    }
  }

  /// Root may start as many as it likes; so another user does it.
  @Test(
    "with a thread or two results are the same",
    .enabled(
      if: geteuid() == 0 && FileManager.default.isExecutableFile(atPath: "/usr/bin/setpriv"),
      "needs root and setpriv"))
  func processes() throws {
    chmod(folder.path, 0o777)
    var models: [[UInt8]] = []
    for limit in [2, 3, 50] {
      let outcome = try CommandRunner.run(
        program: "/usr/bin/setpriv",
        [
          "--reuid", "65534", "--regid", "65534", "--clear-groups", "/bin/bash", "-c",
          "ulimit -u \(limit) && exec \"$0\" \"$@\"", CommandRunner.path(of: "train"),
          "--config", "c.json",
          "--output", "run \(limit)", "--threads", "2",
        ], in: folder.path)
      #expect(outcome.code == 0, "\(outcome)")
      models.append(try ScratchFolder.read(folder.file("run \(limit)/model.safetensors")))
    }
    #expect(Set(models).count == 1)
  }
}
