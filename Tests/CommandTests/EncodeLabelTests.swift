import FileTestSupport
import Foundation
import Safetensors
import Testing
import TokenFiles

/// The classes of images are the folders in which encode found them.
@Suite("Labels of encode")
struct EncodeLabelTests {
  private let checkpoint: TinyCheckpoint
  private let folder: ScratchFolder

  init() throws {
    checkpoint = try TinyCheckpoint.of(.rotation)
    folder = try ScratchFolder()
  }

  private func write(_ names: [String]) throws {
    for (number, name) in names.enumerated() {
      try folder.write(SampleImages.png(4, 4, number: number), to: name)
    }
  }

  private func encode(
    _ paths: [String], to name: String, _ options: [String] = []
  ) throws -> CommandRunner.Outcome {
    try checkpoint.encode(
      paths.map(folder.file), to: folder.file(name),
      ["--size", "native", "--threads", "1"] + options)
  }

  /// Each image with its class, in order.
  private func classes(_ name: String) throws -> [String] {
    let file = try TokenFile.open(path: folder.file(name))
    return (0..<file.count).map { index in
      let image = file.shape(at: index)
      return "\(image.path): \(image.label.map { file.classes[$0] } ?? "-")"
    }
  }

  @Test(
    "the first folder below the one given is the class, in every format",
    arguments: TokenFormat.allCases)
  func oneFolder(format: TokenFormat) throws {
    try write(["in/dog/a.png", "in/Cat/b.png", "in/Cat/young/dog/c.png", "in/d.png", "in/z/e.png"])
    let expected = [
      "Cat/b.png: Cat", "Cat/young/dog/c.png: Cat", "d.png: -", "dog/a.png: dog", "z/e.png: z",
    ]
    let (whole, parts, plain) = ("whole.\(format)", "parts.\(format)", "plain.\(format)")
    let encoded = try encode(["in"], to: whole, ["--verify"])
    #expect(encoded.code == 0, "\(encoded)")
    #expect(encoded.output.contains(": 5 images of 3 classes, 80 tokens; "), "\(encoded)")
    #expect(try classes(whole) == expected)
    // In shards, each of which has the same list, whatever is in it.
    #expect(try encode(["in/"], to: parts, ["--shard", "2"]).code == 0)
    #expect(try classes(parts) == expected)
    for number in 1...3 {
      let shard = try TokenFile.open(paths: [folder.file("parts-0000\(number).\(format)")])
      #expect(shard.classes == ["Cat", "dog", "z"])
    }
    // Labels change nothing of what decode makes.
    let without = try encode(["in"], to: plain, ["--no-labels"])
    #expect(without.output.contains(": 5 images, 80 tokens; "), "\(without)")
    #expect(try TokenFile.open(path: folder.file(plain)).classes.isEmpty)
    var decoded: [[UInt8]] = []
    for name in [whole, parts, plain] {
      let outcome = try checkpoint.decode(folder.file(name), to: folder.file("out \(name)"))
      #expect(outcome.code == 0, "\(outcome)")
      #expect(outcome.output.contains("5 images decoded"), "\(outcome)")
      decoded.append(try ScratchFolder.read(folder.file("out \(name)/Cat/young/dog/c.png")))
    }
    #expect(Set(decoded).count == 1)
  }

  @Test("without folders of images the file is as it was")
  func noClasses() throws {
    try write(["in/a.png", "in/b.png"])
    try folder.folder("in/empty")
    for (name, paths, options) in [
      ("one.safetensors", ["in"], []), ("two.safetensors", ["in"], ["--no-labels"]),
      ("three.safetensors", ["in/a.png", "in/b.png"], []),
    ] {
      let outcome = try encode(paths, to: name, options)
      #expect(outcome.output.contains(": 2 images, "), "\(outcome)")
    }
    let bytes = try ScratchFolder.read(folder.file("one.safetensors"))
    #expect(try ScratchFolder.read(folder.file("two.safetensors")) == bytes)
    #expect(try ScratchFolder.read(folder.file("three.safetensors")) == bytes)
    let file = try SafetensorsFile(path: folder.file("one.safetensors"))
    #expect(Set(file.entries.map(\.name)) == ["tokens", "sizes", "padded_sizes"])
    #expect(file.metadata["classes"] == nil)
  }

  @Test("with several folders a class is below its own, and the first that finds an image counts")
  func severalFolders() throws {
    try write(["x/cat/a.png", "x/b.png", "y/deep/cat/c.png", "y/dog/d.png", "e.png"])
    for (paths, expected) in [
      (
        ["x", "y", "e.png"],
        [
          "e.png: -", "x/b.png: -", "x/cat/a.png: cat", "y/deep/cat/c.png: deep",
          "y/dog/d.png: dog",
        ]
      ),
      (["y/deep", "x"], ["deep/cat/c.png: cat", "x/b.png: -", "x/cat/a.png: cat"]),
      (["x", "x/cat"], ["x/b.png: -", "x/cat/a.png: cat"]),
      (["x/cat", "x"], ["cat/a.png: -", "x/b.png: -"]),
    ] {
      #expect(try encode(paths, to: "t.npy", ["--force"]).code == 0)
      #expect(try classes("t.npy") == expected)
    }
  }

  @Test("classes are known before images are: one that has none left stays in the list")
  func unreadable() throws {
    try write(["in/a/1.png", "in/c/2.png"])
    try folder.write("text", to: "in/b/3.png")
    let outcome = try encode(["in"], to: "t.bin", ["--shard", "1"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(try TokenFile.open(path: folder.file("t.bin")).classes == ["a", "b", "c"])
    #expect(try classes("t.bin") == ["a/1.png: a", "c/2.png: c"])
  }

  @Test("a resumed run has the classes of the shards that are there, or is refused")
  func resume() throws {
    try write(["in/a/1.png", "in/a/2.png", "in/b/3.png"])
    let shards = ["--shard", "2"]
    #expect(try encode(["in"], to: "t.npy", shards).code == 0)
    let before = try ["t-00002.npy", "t-00002.npy.json"].map {
      try ScratchFolder.read(folder.file($0))
    }
    for name in ["t-00002.npy", "t-00002.npy.json"] {
      try FileManager.default.removeItem(atPath: folder.file(name))
    }
    func refused(_ options: [String], _ words: [String]) throws {
      let outcome = try encode(["in"], to: "t.npy", shards + ["--resume"] + options)
      #expect(outcome.code == 65, "\(outcome)")
      for word in words + ["t-00001.npy cannot be continued"] {
        #expect(outcome.errors.contains(word), "\(word): \(outcome)")
      }
    }
    try refused(["--no-labels"], ["it has labels, but this run has none", "remove --no-labels"])
    try write(["in/c/4.png"])
    try refused([], ["this run has a class \"c\", but it has not", "name the same folders"])
    try FileManager.default.removeItem(atPath: folder.file("in/c"))
    #expect(try encode(["in"], to: "t.npy", shards + ["--resume"]).code == 0)
    #expect(try classes("t.npy") == ["a/1.png: a", "a/2.png: a", "b/3.png: b"])
    let after = try ["t-00002.npy", "t-00002.npy.json"].map {
      try ScratchFolder.read(folder.file($0))
    }
    #expect(after == before)

    // And the other way round, after --force has replaced them.
    #expect(try encode(["in"], to: "t.npy", shards + ["--force", "--no-labels"]).code == 0)
    #expect(try TokenFile.open(path: folder.file("t.npy")).classes.isEmpty)
    try refused([], ["it has no labels, but this run has", "add --no-labels"])
    #expect(try encode(["in"], to: "t.npy", shards + ["--resume", "--no-labels"]).code == 0)
    #expect(try encode(["in"], to: "t.npy", shards + ["--force"]).code == 0)
    #expect(try classes("t.npy") == ["a/1.png: a", "a/2.png: a", "b/3.png: b"])
  }
}
