import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// What encode makes of paths, and of files that are no images.
@Suite("Inputs of encode")
struct EncodeInputsTests {
  @Test("bad images are named and skipped, the rest is encoded")
  func badImages() throws {
    let checkpoint = try TinyCheckpoint.of(.vq)
    let folder = try ScratchFolder()
    let good = try SampleImages.png(40, 40)
    try folder.write(good, to: "in/good.png")
    try folder.write(try SampleImages.jpeg(33, 40), to: "in/good 2.jpg")
    try folder.write(Array(good.prefix(good.count / 2)), to: "in/cut.png")
    try folder.write("not an image", to: "in/text.png")
    try folder.write([], to: "in/empty.jpeg")
    try folder.write(try SampleImages.png(31, 64), to: "in/small.png")
    try folder.write(Self.bomb(), to: "in/bomb.png")
    try FileManager.default.createSymbolicLink(
      atPath: folder.file("in/unreadable.png"), withDestinationPath: "nowhere.png")
    let tokens = folder.file("t.safetensors")
    let outcome = try checkpoint.encode([folder.file("in")], to: tokens, ["--verify"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.output.contains("2 images"), "\(outcome)")
    #expect(outcome.output.contains("verified: 2 of 2"), "\(outcome)")
    let told = outcome.errors.split(separator: "\n")
    for (name, reason) in [
      ("cut.png", "cannot be decoded"), ("text.png", "found text"), ("empty.jpeg", "empty"),
      ("small.png", "at least 32x32"), ("bomb.png", "60000x60000"),
      ("unreadable.png", "cannot be read"),
    ] {
      #expect(
        told.contains { $0.contains("in/\(name)") && $0.contains(reason) }, "\(name): \(outcome)")
    }
    #expect(outcome.errors.contains("6 of 8 files skipped"), "\(outcome)")
    #expect(try TokenFile.open(path: tokens).paths == ["good 2.jpg", "good.png"])
  }

  /// A PNG header that promises 60000x60000 pixels.
  private static func bomb() throws -> [UInt8] {
    var bytes = try SampleImages.png(8, 8)
    // Width and height follow the signature and the chunk's length and name.
    bytes.replaceSubrange(16..<24, with: [0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60])
    let sum = bytes[12..<29].reduce(UInt32.max) { sum, byte in
      (0..<8).reduce(sum ^ UInt32(byte)) { sum, _ in
        sum & 1 == 1 ? sum >> 1 ^ 0xEDB8_8320 : sum >> 1
      }
    }
    bytes.replaceSubrange(29..<33, with: withUnsafeBytes(of: (~sum).bigEndian) { Array($0) })
    return bytes
  }

  @Test("an image that is too long and thin is bad, with a way out")
  func thin() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    let thin = Image(width: 400, height: 2)
    try folder.write(try ImageEncoder().encode(thin, as: .png), to: "thin.png")
    for size in ["model", "8x8"] {
      let outcome = try checkpoint.encode(
        [folder.file("thin.png")], to: folder.file("t.npy"), ["--size", size])
      #expect(outcome.code == 65, "\(outcome)")
      #expect(outcome.errors.contains("too long and thin"), "\(outcome)")
    }
  }

  @Test("where every file is bad, nothing is written")
  func allBad() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write("text", to: "in/a.png")
    let outcome = try checkpoint.encode([folder.file("in")], to: folder.file("t.safetensors"))
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("in/a.png"), "\(outcome)")
    #expect(outcome.output.isEmpty, "\(outcome)")
    #expect(folder.files() == ["in/a.png"])
  }

  @Test("no image at all is no input", arguments: ["nowhere", "empty", "texts"])
  func noInput(name: String) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.folder("empty")
    try folder.write("text", to: "texts/a.txt")
    let outcome = try checkpoint.encode([folder.file(name)], to: folder.file("t.safetensors"))
    #expect(outcome.code == 66, "\(outcome)")
    #expect(outcome.errors.contains(folder.file(name)), "\(outcome)")
    #expect(outcome.errors.hasPrefix("error: "), "\(outcome)")
    #expect(folder.files() == ["texts/a.txt"])
  }

  @Test("an empty folder beside others is only a warning")
  func emptyBesideOthers() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.folder("empty")
    try folder.write(SampleImages.png(32, 32), to: "full/a.png")
    let outcome = try checkpoint.encode(
      [folder.file("empty"), folder.file("full")], to: folder.file("t.safetensors"))
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.errors.contains("warning: \(folder.file("empty"))"), "\(outcome)")
    #expect(try TokenFile.open(path: folder.file("t.safetensors")).paths == ["full/a.png"])
  }

  @Test(
    "names of several paths are distinct, and as short as they can be",
    arguments: [
      (["x/photos"], ["a.png", "deep/a.png"]),
      (["x/photos/a.png"], ["a.png"]),
      (["x/photos/"], ["a.png", "deep/a.png"]),
      (["y", "x/photos"], ["photos/a.png", "photos/deep/a.png", "y/photos/a.png"]),
      (
        ["y/photos", "x/photos"],
        ["x/photos/a.png", "x/photos/deep/a.png", "y/photos/a.png"]
      ),
      (["x/photos/a.png", "y/photos/a.png"], ["x/photos/a.png", "y/photos/a.png"]),
      (["x/photos/a.png", "x/photos/deep/a.png"], ["deep/a.png", "photos/a.png"]),
      (["x/photos/a.png", "x/../x/photos/./a.png"], ["a.png"]),
      (["x", "x/photos/deep"], ["x/photos/a.png", "x/photos/deep/a.png"]),
    ])
  func names(paths: [String], expected: [String]) throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try ScratchFolder()
    for name in ["x/photos/a.png", "x/photos/deep/a.png", "y/photos/a.png"] {
      try folder.write(SampleImages.png(4, 4), to: name)
    }
    let tokens = folder.file("t.safetensors")
    let outcome = try checkpoint.encode(
      paths.map(folder.file), to: tokens, ["--size", "native", "--threads", "1"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try TokenFile.open(path: tokens).paths == expected)
  }

  @Test("paths are taken relative to the working directory")
  func workingDirectory() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(4, 4), to: "in/ä b.png")
    let outcome = try CommandRunner.run(
      "encode", ["--checkpoint", checkpoint.path, "--output", "t.npy", "--size", "native", "."],
      in: folder.file("in"))
    #expect(outcome.code == 0, "\(outcome)")
    #expect(try TokenFile.open(path: folder.file("in/t.npy")).paths == ["ä b.png"])
  }

  @Test(
    "wrong values are wrong usage, and say what is right",
    arguments: [
      (["--size", "15x16"], "16x16"), (["--size", "big"], "big"), (["--size", "0x16"], "0x16"),
      (["--shard", "0"], "at least 1"), (["--format", "npy"], ".safetensors"),
      (["--format", "zip"], "zip"), (["--threads", "0"], "expected 1 to 1024"),
      (["--resume", "--force"], "choose one"),
    ])
  func usage(options: [String], expected: String) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let outcome = try checkpoint.encode(
      [folder.file("a.png")], to: folder.file("t.safetensors"), options)
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains(expected), "\(outcome)")
    #expect(folder.files() == ["a.png"])
  }
}
