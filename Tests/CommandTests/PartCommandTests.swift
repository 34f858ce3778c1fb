import FileTestSupport
import Foundation
import SceneRendering
import Testing

/// `encode --part` and `--merge`: several processes encode one set, and together write what one would have written.
@Suite("encode in parts") struct PartCommandTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    _ = try SceneDataset.write(count: 11, validation: 2, size: 32, seed: 4, to: folder.file("s"))
    try folder.write("no image", to: "s/train/0000005x.png")
  }

  private func encode(_ arguments: String...) throws -> CommandRunner.Outcome {
    try CommandRunner.run("encode", arguments, in: folder.path)
  }

  private func checkpoint() throws -> String { try TinyCheckpoint.of(.vq).path }

  private func write(
    _ output: String, parts: Int, _ options: [String] = [], of images: String = "s/train"
  ) throws {
    for part in 1...parts {
      let outcome = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", try checkpoint(), "--size", "32", "--output", output, "--part",
          "\(part)/\(parts)",
        ] + options + [images], in: folder.path)
      #expect(outcome.code == 0 || outcome.code == 65, "\(outcome)")
    }
  }

  private func contents(_ name: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: folder.file(name)))
  }

  /// Whatever the number of parts and the form, the bytes are those of one process.
  @Test(
    arguments: [
      ("t.safetensors", []), ("t.npy", []), ("t.bin", ["--dtype", "uint32"]),
      ("t.bin", ["--format", "megatron"]), ("t.safetensors", ["--flip"]),
      ("t.safetensors", ["--no-labels"]),
    ])
  func theWholeIsWhatOneProcessWrites(_ output: String, _ options: [String]) throws {
    let whole = try CommandRunner.run(
      "encode",
      ["--checkpoint", try checkpoint(), "--size", "32", "--output", "w-" + output] + options
        + ["s/train"], in: folder.path)
    #expect(whole.code == 65, "\(whole)")
    for parts in [1, 3, 5] {
      try write(output, parts: parts, options)
      let merging = options.filter { $0 != "--flip" && $0 != "--no-labels" }
      let merged = try CommandRunner.run(
        "encode", ["--merge", "--output", output, "--force"] + merging, in: folder.path)
      expect(merged, 0, "merged from \(parts) part", "1 of 12 images")
      let names = [output] + (output.hasSuffix(".safetensors") ? [] : [output + ".json"])
      for name in names { #expect(try contents(name) == contents("w-" + name), "\(name)") }
      for name in try FileManager.default.contentsOfDirectory(atPath: folder.path)
      where name.contains(".part-") {
        try FileManager.default.removeItem(atPath: folder.file(name))
      }
    }
  }

  /// More parts than images: some have none, and are not missed.
  @Test func someHaveNone() throws {
    try write("t.npy", parts: 5, of: "s/validation")
    #expect(!FileManager.default.fileExists(atPath: folder.file("t.part-1-of-5.npy")))
    expect(try encode("--merge", "--output", "t.npy"), 0, "2 images", "merged from 2 parts")
  }

  /// Parts may be sharded and resumed, and the whole sharded otherwise.
  @Test func partsMayBeShards() throws {
    try write("t.npy", parts: 2, ["--shard", "2"])
    #expect(FileManager.default.fileExists(atPath: folder.file("t.part-2-of-2-00003.npy")))
    try FileManager.default.removeItem(atPath: folder.file("t.part-2-of-2-00003.npy"))
    try FileManager.default.removeItem(atPath: folder.file("t.part-2-of-2-00003.npy.json"))
    expect(try encode("--merge", "--output", "t.npy"), 65, "00003", "there is none")
    try write("t.npy", parts: 2, ["--shard", "2", "--resume"])
    expect(try encode("--merge", "--output", "t.npy", "--shard", "5"), 0, "11 images")
    _ = try CommandRunner.run(
      "encode",
      [
        "--checkpoint", try checkpoint(), "--size", "32", "--output", "w.npy", "--shard", "5",
        "s/train",
      ], in: folder.path)
    for number in 1...3 {
      #expect(try contents("t-0000\(number).npy") == contents("w-0000\(number).npy"))
    }
  }

  @Test func whatDoesNotBelongTogetherIsTold() throws {
    expect(try encode("--merge", "--output", "t.npy"), 66, "t.part-1-of-N", "--part 1/N")
    try write("t.npy", parts: 3)
    for ending in [".npy", ".npy.json"] {
      try FileManager.default.removeItem(atPath: folder.file("t.part-2-of-3" + ending))
    }
    expect(try encode("--merge", "--output", "t.npy"), 66, "t.part-2-of-3", "--part 2/3")
    // Of other images.
    try write("u.npy", parts: 3, of: "s")
    for ending in [".npy", ".npy.json"] {
      try FileManager.default.moveItem(
        atPath: folder.file("u.part-2-of-3" + ending),
        toPath: folder.file("t.part-2-of-3" + ending))
    }
    expect(try encode("--merge", "--output", "t.npy"), 65, "expected parts of one set")
    // Encoded in another way.
    try write("t.npy", parts: 3, ["--force"])
    let other = try encode(
      "--checkpoint", try checkpoint(), "--size", "16", "--output", "t.npy", "--part", "3/3",
      "--force", "s/train")
    #expect(other.code == 0 || other.code == 65, "\(other)")
    expect(try encode("--merge", "--output", "t.npy"), 65, "differ in their recipes")
    // One part under the name of another.
    for ending in [".npy", ".npy.json"] {
      try FileManager.default.removeItem(atPath: folder.file("t.part-3-of-3" + ending))
      try FileManager.default.copyItem(
        atPath: folder.file("t.part-1-of-3" + ending),
        toPath: folder.file("t.part-3-of-3" + ending))
    }
    expect(try encode("--merge", "--output", "t.npy"), 65, "expected part 3 of 3")
    try write("t.npy", parts: 2)
    expect(try encode("--merge", "--output", "t.npy"), 64, "parts of 2 and 3")
    for part in ["5/4", "0/4", "1", "a/b", "1/0", "1/2/3", "-1/2"] {
      expect(
        try encode("--checkpoint", "c", "--output", "t", "--part=\(part)", "s"), 64, "--part")
    }
    for options in [["--part", "1/2"], ["--verify"], ["s/train"], ["--checkpoint", "c"]] {
      expect(
        try CommandRunner.run("encode", ["--merge", "--output", "t"] + options, in: folder.path),
        64, "--merge joins parts that are encoded already")
    }
    expect(try encode("--output", "t", "s"), 64, "--checkpoint")
    expect(try encode("--checkpoint", "c", "--output", "t"), 64, "images")
  }

  @Test func theSummaryCounts() throws {
    try write("t.npy", parts: 2, ["--summary", "s.json"])
    let text = try String(contentsOfFile: folder.file("s.json"), encoding: .utf8)
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any])
    #expect(object["part"] as? String == "2/2" && object["imagesOfAllParts"] as? Int == 12)
    #expect(object["images"] as? Int == 6 && object["encoded"] as? Int == 6)
    #expect((object["rejected"] as? [Any])?.isEmpty ?? false)
    #expect((object["imagesPerSecond"] as? Double ?? 0) > 0)
    #expect((object["codesUsed"] as? Int ?? 0) > 0 && (object["perplexity"] as? Double ?? 0) > 0)
    let whole = try encode(
      "--checkpoint", try checkpoint(), "--size", "32", "--output", "w.npy", "--summary",
      "w.json", "s/train")
    #expect(whole.code == 65)
    let all = try JSONSerialization.jsonObject(with: contents("w.json")) as? [String: Any]
    let rejected = try #require(all?["rejected"] as? [[String: String]])
    #expect(rejected.count == 1 && rejected[0]["path"] == "s/train/0000005x.png")
    expect(try encode("--merge", "--output", "t.npy", "--summary", "m.json"), 0)
    let merged = try JSONSerialization.jsonObject(with: contents("m.json")) as? [String: Any]
    #expect(merged?["codesUsed"] as? Int == all?["codesUsed"] as? Int)
    #expect(merged?["images"] as? Int == 11)
  }
}
