import FileTestSupport
import Foundation
import Testing
import TokenFiles

/// A decoder that is trained further while token ids stay the same, as a user does it.
@Suite struct FreezeCommandTests {
  let scratch: ScratchFolder

  init() throws {
    scratch = try ScratchFolder()
    let drawn = try CommandRunner.run(
      "scenes",
      ["--output", scratch.file("drawn"), "--count", "16", "--validation", "2", "--size", "16"])
    try #require(drawn.code == 0, "\(drawn)")
  }

  private func train(_ output: String, _ arguments: [String]) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "train",
      arguments + ["--data", scratch.file("drawn/train"), "--output", scratch.file(output)])
  }

  private func encode(_ checkpoint: String) throws -> [[UInt32]] {
    let tokens = scratch.file(checkpoint + ".safetensors")
    let encoded = try CommandRunner.run(
      "encode",
      [
        "--checkpoint", scratch.file(checkpoint), "--output", tokens, scratch.file("drawn/train"),
      ])
    #expect(encoded.code == 0, "\(encoded)")
    let file = try TokenFile.open(path: tokens)
    return try (0..<file.count).map { try file.record(at: $0).tokens }
  }

  private func decode(_ tokens: String, with checkpoint: String) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      "decode",
      [
        "--checkpoint", scratch.file(checkpoint), "--output",
        scratch.file("\(tokens) by \(checkpoint)"), scratch.file(tokens + ".safetensors"),
      ])
  }

  private func images(_ folder: String) -> [String: Data] {
    Dictionary(
      uniqueKeysWithValues: scratch.files().filter { $0.hasPrefix(folder + "/") }.map {
        (
          String($0.dropFirst(folder.count)),
          FileManager.default.contents(atPath: scratch.file($0)) ?? Data()
        )
      })
  }

  @Test(arguments: [
    #"{"type": "fsq", "levels": [5, 4, 3]}"#,
    #"{"type": "vq", "codebookSize": 40, "codeDimension": 4}"#,
    #"""
    {"type": "vq", "codebookSize": 40, "codeDimension": 4, "codebookLearning": "ema", \#
    "emaDecay": 0.5, "reviveEvery": 2, "reviveBelow": 0.5}
    """#,
    #"""
    {"type": "residual-vq", "depth": 3, "codebookSize": 20, "codeDimension": 4, \#
    "reviveEvery": 2, "emaDecay": 0.5, "reviveBelow": 0.5}
    """#,
  ])
  func theTokensStayAndTheDecoderLearns(_ quantizer: String) throws {
    let text = TrainCommandTests.configuration(train: scratch.file("drawn/train"))
    try text.replacing(#"{"type": "fsq", "levels": [4, 3]}"#, with: quantizer)
      .write(toFile: scratch.file("run.json"), atomically: true, encoding: .utf8)
    let first = try train("a", ["--config", scratch.file("run.json")])
    try #require(first.code == 0, "\(first)")
    let freeze = ["--set", #"training.freeze=["encoder", "quantizer"]"#]
    let tuned = try train("b", ["--from", scratch.file("a"), "--steps", "5"] + freeze)
    try #require(tuned.code == 0, "\(tuned)")
    #expect(tuned.errors.contains("encoder and quantizer frozen"), "\(tuned)")

    let before = try encode("a")
    #expect(before.count >= 10 && Set(before.joined()).count > 1)
    #expect(try encode("b") == before)

    // The new decoder takes the old tokens, and makes other images of them; the old one does not take
    // the new ones, as it knows nothing of them.
    #expect(try decode("a", with: "a").code == 0)
    let improved = try decode("a", with: "b")
    #expect(improved.code == 0, "\(improved)")
    #expect(try decode("b", with: "b").code == 0)
    let (old, new) = (images("a by a"), images("a by b"))
    #expect(old.keys == new.keys && !old.isEmpty && old != new)
    #expect(new == images("b by b"))
    #expect(try decode("b", with: "a").code == 65)

    // A run that trains them goes its own way.
    let moved = try train("c", ["--from", scratch.file("b"), "--set", "training.freeze=[]"])
    try #require(moved.code == 0, "\(moved)")
    let refused = try decode("a", with: "c")
    #expect(refused.code == 65 && refused.errors.contains("fingerprint"), "\(refused)")
  }

  @Test func randomWeightsAreNotFrozen() throws {
    try TrainCommandTests.configuration(train: scratch.file("drawn/train"))
      .write(toFile: scratch.file("run.json"), atomically: true, encoding: .utf8)
    let outcome = try train(
      "a", ["--config", scratch.file("run.json"), "--set", #"training.freeze=["encoder"]"#])
    #expect(outcome.code == 64 && outcome.errors.contains("Add --from"), "\(outcome)")
    #expect(!scratch.files().contains { $0.hasPrefix("a/") })
  }
}
