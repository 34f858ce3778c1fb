import FileTestSupport
import Foundation
import Testing
import TokenFiles

/// `encode --dtype` and `--format megatron`: what they write, and what they refuse.
@Suite("Integers and indices of encode")
struct IdTypeCommandTests {
  private let folder: ScratchFolder

  init() throws {
    folder = try ScratchFolder()
    for number in 0..<3 {
      try folder.write(SampleImages.png(32, 32, number: number), to: "in/\(number).png")
    }
  }

  private func size(_ name: String) throws -> Int {
    try ScratchFolder.read(folder.file(name)).count
  }

  @Test("ids are as wide as asked, and verified") func widths() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    for (type, width) in [(nil, 1), ("uint8", 1), ("uint16", 2), ("uint32", 4)] {
      for ending in ["bin", "npy", "safetensors"] {
        let name = "\(type ?? "none").\(ending)"
        let outcome = try checkpoint.encode(
          [folder.file("in")], to: folder.file(name),
          ["--size", "16", "--verify"] + (type.map { ["--dtype", $0] } ?? []))
        #expect(outcome.code == 0, "\(outcome)")
        #expect(outcome.output.contains("verified: 3 of 3"), "\(outcome)")
        if ending == "bin" { #expect(try size(name) == 3 * 256 * width) }
      }
    }
    let decoded = try checkpoint.decode(folder.file("uint32.npy"), to: folder.file("out"))
    #expect(decoded.code == 0, "\(decoded)")
  }

  @Test("an index lies beside flat ids, in shards too") func index() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let options = ["--format", "megatron", "--verify"]
    let whole = try checkpoint.encode([folder.file("in")], to: folder.file("t"), options)
    #expect(whole.code == 0 && whole.output.contains("verified: 3 of 3"), "\(whole)")
    #expect(folder.files().filter { $0.hasPrefix("t") } == ["t.bin", "t.bin.json", "t.idx"])
    #expect(try size("t.idx") == 34 + 3 * 12 + 4 * 8)
    let shards = try checkpoint.encode(
      [folder.file("in")], to: folder.file("s.bin"), options + ["--shard", "2"])
    #expect(shards.code == 0, "\(shards)")
    for name in ["s-00002.bin", "s-00002.bin.json", "s-00002.idx"] {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    let resumed = try checkpoint.encode(
      [folder.file("in")], to: folder.file("s.bin"), options + ["--shard", "2", "--resume"])
    #expect(resumed.code == 0, "\(resumed)")
    #expect(try size("s-00002.idx") == 34 + 12 + 2 * 8)
    #expect(try checkpoint.decode(folder.file("s.bin"), to: folder.file("out")).code == 0)
  }

  @Test(
    "what does not fit is refused",
    arguments: [
      (["--dtype", "uint8"], "t.npy", "the ids of", "Use --dtype uint16"),
      (["--dtype", "int64"], "t.npy", "--dtype", "uint16"),
      (["--format", "megatron"], "t.npy", "ends in .npy", "Change the extension"),
      (["--format", "megatron", "--dtype", "uint32"], "t.bin", "reads no such integers", "int32"),
    ])
  func refusals(options: [String], name: String, words: String, way: String) throws {
    let outcome = try TinyCheckpoint.of(.fsq).encode(
      [folder.file("in")], to: folder.file(name), options)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains(words) && outcome.errors.contains(way), "\(outcome)")
    #expect(folder.files().allSatisfy { !$0.hasPrefix("t") })
  }
}
