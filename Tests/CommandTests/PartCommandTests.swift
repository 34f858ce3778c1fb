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

  /// More parts than images: some have none, and say so.
  @Test(arguments: ["t.npy", "t.safetensors", "t.bin", "t.tar"])
  func someHaveNone(_ output: String) throws {
    try write(output, parts: 5, of: "s/validation")
    expect(try encode("--merge", "--output", output), 0, "2 images", "merged from 5 parts")
    let (stem, ending) = (output.prefix(1), output.dropFirst())
    if ending == ".tar" { return }
    expect(
      try TinyCheckpoint.of(.vq).decode(
        folder.file("\(stem).part-1-of-5\(ending)"), to: folder.file("out")), 65,
      "part 1 of 5", "none of its images could be used", "--merge")
    // Earlier versions wrote no file for these, and are still merged.
    for file in folder.files() where file.contains(".part-1-of-5") {
      try FileManager.default.removeItem(atPath: folder.file(file))
    }
    expect(
      try encode("--merge", "--output", output, "--force"), 0, "2 images", "merged from 4 parts")
  }

  /// The images that are none but in name left out.
  private var scenes: [String] { folder.files().filter { $0.hasPrefix("s/train/scene") } }

  /// The six images of which the middle two are damaged.
  private func damaged() throws {
    for (number, name) in scenes.prefix(6).enumerated() {
      let image = try ScratchFolder.read(folder.file(name))
      try folder.write(number / 2 == 1 ? Array("no image".utf8) : image, to: "d/\(number).png")
    }
  }

  /// A part none of whose images can be used is written, and the whole is that of one process.
  @Test(
    arguments: [
      ("t.safetensors", []), ("t.npy", ["--shard", "1"]), ("t.bin", ["--format", "megatron"]),
      ("t.tar", []), ("t.tar", ["--shard", "1"]),
    ])
  func noneOfAPartCanBeUsed(_ output: String, _ options: [String]) throws {
    try damaged()
    let whole = try CommandRunner.run(
      "encode",
      ["--checkpoint", try checkpoint(), "--size", "32", "--output", "w-" + output] + options
        + ["d"], in: folder.path)
    expect(whole, 65, "2 of 6 files skipped")
    let again = output.hasSuffix("tar") || options.contains("--shard") ? "--resume" : "--force"
    for more in [[], [again]] {
      let part = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", try checkpoint(), "--size", "32", "--output", output, "--part", "2/3",
          "--summary", "p.json",
        ] + options + more + ["d"], in: folder.path)
      expect(part, 65, "2 of 2 files skipped", "part-2-of-3", "to be merged")
    }
    let report = try #require(
      try JSONSerialization.jsonObject(with: contents("p.json")) as? [String: Any])
    #expect(report["images"] as? Int == 0 && (report["rejected"] as? [Any])?.count == 2)
    for number in [1, 3] {
      let part = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", try checkpoint(), "--size", "32", "--output", output, "--part",
          "\(number)/3",
        ] + options + ["d"], in: folder.path)
      expect(part, 0, "2 images")
    }
    expect(
      try CommandRunner.run(
        "encode", ["--merge", "--output", output, "--summary", "m.json"] + options,
        in: folder.path), 0, "4 images", "merged from 3 parts", "2 of 6 images were left out")
    let written = folder.files().filter { $0.hasPrefix("w-") }
    #expect(written.count >= (output.hasSuffix(".safetensors") ? 1 : 2))
    for name in written {
      #expect(try contents(name) == contents(String(name.dropFirst(2))), "\(name)")
    }
    let merged = try #require(
      try JSONSerialization.jsonObject(with: contents("m.json")) as? [String: Any])
    let rejected = try #require(merged["rejected"] as? [[String: String]])
    #expect(rejected.map { $0["path"] } == ["d/2.png", "d/3.png"])
    #expect(rejected.allSatisfy { $0["reason"]?.contains("expected a PNG or JPEG") ?? false })
  }

  @Test("where no image of any part can be used there is nothing to merge")
  func noneAtAll() throws {
    try folder.write("no image", to: "e/a.png")
    try folder.write("no image", to: "e/b.png")
    for output in ["t.npy", "t.tar"] {
      try write(output, parts: 2, of: "e")
      expect(
        try encode("--merge", "--output", output), 65, "none of the 2 could be used", "e/a.png")
      #expect(
        folder.files().allSatisfy {
          !$0.hasPrefix("t") || $0.contains(".part-")
        }, "\(folder.files())")
    }
    expect(
      try encode("--checkpoint", try checkpoint(), "--size", "32", "--output", "o.tar", "e"), 65,
      "nothing was written")
  }

  /// Shards of samples: the keys are those of the whole set, in each part.
  @Test(arguments: [[], ["--shard", "4"], ["--flip", "--dtype", "uint32"]])
  func samples(_ options: [String]) throws {
    // Two shards have the same keys, so that each key has its shard before it: in a part of one, too.
    for name in ["a", "b"] {
      var shard = ScratchShard()
      for (number, scene) in scenes.prefix(5).enumerated() {
        shard.add("x/\(number).png", try ScratchFolder.read(folder.file(scene)))
        shard.add("x/\(number).cls", "\(number % 2)")
      }
      try folder.write(shard.archive, to: "shards/\(name).tar")
    }
    let whole = try CommandRunner.run(
      "encode",
      [
        "--checkpoint", try checkpoint(), "--size", "32", "--output", "w-t.tar", "--summary",
        "w.json",
      ] + options + ["shards"], in: folder.path)
    expect(whole, 0, options.contains("--flip") ? "20 images" : "10 images")
    let merging = options.filter { $0 != "--flip" }
    for parts in [1, 2, 4] {
      try write("t.tar", parts: parts, options, of: "shards")
      let merged = try CommandRunner.run(
        "encode", ["--merge", "--output", "t.tar", "--summary", "m.json"] + merging,
        in: folder.path)
      expect(merged, 0, "merged from \(parts) part")
      let written = folder.files().filter { $0.hasPrefix("w-t") }
      #expect(written.count == (options.contains("--shard") ? 4 : 2), "\(written)")
      for name in written {
        #expect(try contents(name) == contents(String(name.dropFirst(2))), "\(name)")
      }
      let reports = try ["w.json", "m.json"].map {
        try #require(JSONSerialization.jsonObject(with: contents($0)) as? [String: Any])
      }
      for key in ["images", "tokens", "codes", "codesUsed"] {
        #expect(reports[0][key] as? Int == reports[1][key] as? Int, "\(key)")
        #expect((reports[0][key] as? Int ?? 0) > 0)
      }
      #expect(reports[0]["perplexity"] as? Double == reports[1]["perplexity"] as? Double)
      #expect((reports[0]["imagesPerSecond"] as? Double ?? 0) > 0)
      for name in folder.files() where name.hasPrefix("t") {
        try FileManager.default.removeItem(atPath: folder.file(name))
      }
    }
  }

  /// What a kill leaves of a part of samples is told, continued, and merged.
  @Test func stoppedSamples() throws {
    let options = ["--shard", "2"]
    func part(_ number: Int, _ more: [String] = []) throws -> CommandRunner.Outcome {
      try CommandRunner.run(
        "encode",
        [
          "--checkpoint", try checkpoint(), "--size", "32", "--output", "t.tar", "--part",
          "\(number)/2",
        ] + options + more + ["s/train"], in: folder.path)
    }
    for number in 1...2 { _ = try part(number) }
    let shards = folder.files().filter { $0.hasPrefix("t.part-2-of-2-") }
    #expect(shards.count == 3)
    // As after a kill: a shard less, and a description that says nothing of an end.
    try FileManager.default.removeItem(atPath: folder.file("t.part-2-of-2-000002.tar"))
    expect(try encode("--merge", "--output", "t.tar"), 65, "expected 6 samples", "found 4")
    let complete = try String(decoding: contents("t.part-2-of-2.json"), as: UTF8.self)
    #expect(complete.contains(#""encoded_count":6"#) && complete.contains(#""rejected_count":0"#))
    let begun = complete.replacing(#""encoded_count":6,"#, with: "")
      .replacing(#","rejected_count":0"#, with: "")
    try folder.write(begun, to: "t.part-2-of-2.json")
    expect(try encode("--merge", "--output", "t.tar"), 65, "one that was stopped", "--resume")
    expect(try part(2), 73, "already there", "--resume")
    expect(try part(2, ["--resume"]), 0, "4 images already encoded", "2 images")
    #expect(try String(decoding: contents("t.part-2-of-2.json"), as: UTF8.self) == complete)
    // Other images are no continuation.
    try FileManager.default.removeItem(atPath: folder.file(scenes[10]))
    expect(try part(2, ["--resume"]), 65, "list of classes or part")
    // A merge that was stopped goes on as well.
    expect(try encode("--merge", "--output", "t.tar", "--shard", "3"), 0, "11 images")
    let first = try contents("t-000003.tar")
    try FileManager.default.removeItem(atPath: folder.file("t-000003.tar"))
    expect(try encode("--merge", "--output", "t.tar", "--shard", "3"), 73, "already there")
    expect(try encode("--merge", "--output", "t.tar", "--shard", "3", "--resume"), 0)
    #expect(try contents("t-000003.tar") == first)
    // An image twice.
    for name in ["t.part-1-of-2-000000.tar", "t.part-1-of-2-000001.tar"] {
      try? FileManager.default.removeItem(atPath: folder.file(name))
    }
    for number in 0..<2 {
      try FileManager.default.copyItem(
        atPath: folder.file("t.part-2-of-2-00000\(number).tar"),
        toPath: folder.file("t.part-1-of-2-00000\(number).tar"))
    }
    expect(try encode("--merge", "--output", "u.tar"), 66, "u.part-1-of-N")
    for name in folder.files() where name.hasPrefix("t-0") || name == "t.json" {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    expect(try encode("--merge", "--output", "t.tar"), 65, "in another part too")
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
    for options in [
      ["--part", "1/2"], ["--verify"], ["s/train"], ["--checkpoint", "c"], ["--resume"],
    ] {
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
