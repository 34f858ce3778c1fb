import FileTestSupport
import Foundation
import Testing
import TokenFiles

#if canImport(Glibc)
  import Glibc
#elseif canImport(Musl)
  import Musl
#else
  import Darwin
#endif

/// Outputs that are there already, cannot be made, or do not fit on the disk.
@Suite("Outputs")
struct OutputTests {
  private func bytes(_ path: String) throws -> Data {
    try Data(contentsOf: URL(fileURLWithPath: path))
  }

  /// A folder with images in it.
  private func images(_ count: Int, side: Int = 32) throws -> ScratchFolder {
    let folder = try ScratchFolder()
    for number in 0..<count {
      try folder.write(SampleImages.png(side, side, number: number), to: "in/\(number).png")
    }
    return folder
  }

  @Test("encode replaces a file only if asked to", arguments: TokenFormat.allCases)
  func encodeExisting(format: TokenFormat) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(2)
    let tokens = folder.file("t.\(format.rawValue)")
    #expect(try checkpoint.encode([folder.file("in/0.png")], to: tokens).code == 0)
    let before = try bytes(tokens)
    let refused = try checkpoint.encode([folder.file("in")], to: tokens)
    #expect(refused.code == 73, "\(refused)")
    #expect(refused.errors.contains("\(tokens) is already there"), "\(refused)")
    #expect(refused.errors.contains("--force"), "\(refused)")
    #expect(try bytes(tokens) == before)
    let forced = try checkpoint.encode([folder.file("in")], to: tokens, ["--force"])
    #expect(forced.code == 0, "\(forced)")
    #expect(try TokenFile.open(path: tokens).count == 2)
  }

  @Test("shards and a single file replace each other only if asked to")
  func existingPieces() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(3)
    let tokens = folder.file("t.bin")
    let inputs = [folder.file("in")]
    #expect(try checkpoint.encode(inputs, to: tokens, ["--shard", "1"]).code == 0)
    let refused = try checkpoint.encode(inputs, to: tokens)
    #expect(refused.code == 73, "\(refused)")
    #expect(refused.errors.contains("t-00001.bin"), "\(refused)")
    #expect(refused.errors.contains("--resume"), "\(refused)")
    let whole = try checkpoint.encode(inputs, to: tokens, ["--force"])
    #expect(whole.code == 0, "\(whole)")
    #expect(folder.files().filter { $0.hasPrefix("t") } == ["t.bin", "t.bin.json"])
    #expect(try checkpoint.encode(inputs, to: tokens, ["--shard", "2"]).code == 73)
    let pieces = try checkpoint.encode(inputs, to: tokens, ["--shard", "2", "--force"])
    #expect(pieces.code == 0, "\(pieces)")
    #expect(
      folder.files().filter { $0.hasPrefix("t") }
        == ["t-00001.bin", "t-00001.bin.json", "t-00002.bin", "t-00002.bin.json"])
  }

  @Test("a JSON file of something else is never replaced")
  func foreignSidecar() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(1)
    try folder.write(Array("{\"mine\": 1}".utf8), to: "t.npy.json")
    let outcome = try checkpoint.encode(
      [folder.file("in")], to: folder.file("t.npy"), ["--force"])
    #expect(outcome.code == 73, "\(outcome)")
    #expect(outcome.errors.contains("t.npy.json"), "\(outcome)")
    #expect(try bytes(folder.file("t.npy.json")) == Data("{\"mine\": 1}".utf8))
  }

  @Test(
    "encode into a folder that is not there, is a file, or as a folder",
    arguments: ["missing/t.npy", "in/0.png/t.npy", "out/"])
  func encodeNowhere(output: String) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(1)
    let outcome = try checkpoint.encode([folder.file("in")], to: folder.file(output))
    #expect(outcome.code == 73, "\(outcome)")
    #expect(outcome.errors.contains(folder.file(output)), "\(outcome)")
    #expect(folder.files() == ["in/0.png"])
  }

  @Test(
    "a folder that may not be written to",
    .enabled(if: OrdinaryUser.isAvailable, "\(OrdinaryUser.absence)"))
  func unwritable() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(1)
    #expect(try checkpoint.encode([folder.file("in")], to: folder.file("t.npy")).code == 0)
    let locked = try folder.folder("locked")
    chmod(locked, 0o555)
    defer { chmod(locked, 0o755) }
    let encoded = try CommandRunner.runAsOrdinaryUser(
      "encode",
      ["--checkpoint", checkpoint.path, "--output", locked + "/t.npy", folder.file("in")])
    #expect(encoded.code == 73, "\(encoded)")
    for output in [locked + "/out", locked] {
      let decoded = try CommandRunner.runAsOrdinaryUser(
        "decode", ["--checkpoint", checkpoint.path, "--output", output, folder.file("t.npy")])
      #expect(decoded.code == 73, "\(decoded)")
      #expect(decoded.errors.contains(output), "\(decoded)")
    }
    let training = try ScratchFolder.forTraining(steps: 1)
    try training.folder("locked")
    chmod(training.file("locked"), 0o555)
    let trained = try CommandRunner.runAsOrdinaryUser(
      "train", ["--config", "c.json", "--output", "locked/run"], in: training.path)
    #expect(trained.code == 73, "\(trained)")
    #expect(trained.errors.contains("locked/run"), "\(trained)")
    let compared = try CommandRunner.runAsOrdinaryUser(
      "compare",
      [checkpoint.path, "--data", folder.file("in"), "--html", locked + "/report.html"])
    #expect(compared.code == 73, "\(compared)")
    #expect(try FileManager.default.contentsOfDirectory(atPath: locked).isEmpty)
  }

  @Test(
    "images and a checkpoint that may only be read are enough",
    .enabled(if: OrdinaryUser.isAvailable, "\(OrdinaryUser.absence)"))
  func readOnly() throws {
    let folder = try images(2)
    try FileManager.default.copyItem(
      atPath: TinyCheckpoint.of(.fsq).path, toPath: folder.file("checkpoint"))
    try folder.folder("free")
    chmod(folder.file("free"), 0o777)
    for name in ["in", "checkpoint"] { chmod(folder.file(name), 0o555) }
    defer { for name in ["in", "checkpoint"] { chmod(folder.file(name), 0o755) } }
    let before = folder.files()
    for (command, arguments) in [
      ("encode", ["--checkpoint", "checkpoint", "--output", "free/t.npy", "in"]),
      ("decode", ["--checkpoint", "checkpoint", "--output", "free/out", "free/t.npy"]),
      ("compare", ["checkpoint", "--data", "in", "--html", "free/report.html"]),
    ] {
      let outcome = try CommandRunner.runAsOrdinaryUser(command, arguments, in: folder.path)
      #expect(outcome.code == 0, "\(outcome)")
    }
    // Nobody can go on with a run there.
    let resumed = try CommandRunner.runAsOrdinaryUser(
      "train", ["--resume", "--output", "checkpoint", "--steps", "9"], in: folder.path)
    #expect(resumed.code == 73, "\(resumed)")
    #expect(folder.files().filter { !$0.hasPrefix("free/") } == before)
  }

  @Test("decode replaces files only if asked to, and refuses before it writes the first")
  func decodeExisting() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(3)
    let tokens = folder.file("t.npy")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens).code == 0)
    // The very folder that the images came from.
    let original = try bytes(folder.file("in/2.png"))
    try FileManager.default.removeItem(atPath: folder.file("in/0.png"))
    let refused = try checkpoint.decode(tokens, to: folder.file("in"))
    #expect(refused.code == 73, "\(refused)")
    #expect(refused.errors.contains("in/1.png and 1 more"), "\(refused)")
    #expect(refused.errors.contains("--force"), "\(refused)")
    #expect(!FileManager.default.fileExists(atPath: folder.file("in/0.png")))
    #expect(try bytes(folder.file("in/2.png")) == original)
    let forced = try checkpoint.decode(tokens, to: folder.file("in"), ["--force"])
    #expect(forced.code == 0, "\(forced)")
    #expect(try bytes(folder.file("in/2.png")) != original)
  }

  @Test("decode into a file")
  func decodeIntoFile() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(1)
    let tokens = folder.file("t.npy")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens).code == 0)
    for output in [tokens, tokens + "/out"] {
      let outcome = try checkpoint.decode(tokens, to: output)
      #expect(outcome.code == 73, "\(outcome)")
      #expect(outcome.errors.contains(output), "\(outcome)")
    }
  }

  @Test("a full disk while encoding leaves the earlier file whole", arguments: TokenFormat.allCases)
  func fullDisk(format: TokenFormat) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(6)
    let tokens = folder.file("t.\(format.rawValue)")
    #expect(try checkpoint.encode([folder.file("in/0.png")], to: tokens).code == 0)
    let (before, files) = (try bytes(tokens), folder.files())
    let outcome = try checkpoint.encode(
      [folder.file("in")], to: tokens, ["--force"], fileLimit: 3)
    #expect(outcome.code == 74, "\(outcome)")
    #expect(outcome.errors.contains(tokens), "\(outcome)")
    #expect(outcome.errors.contains("ulimit"), "\(outcome)")
    #expect(outcome.errors.contains("existing output is unchanged"), "\(outcome)")
    #expect(outcome.output.isEmpty, "\(outcome)")
    #expect(try bytes(tokens) == before)
    #expect(folder.files() == files)
  }

  @Test("a full disk leaves the finished shards, and --resume continues after them")
  func fullDiskWithPieces() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(2, side: 8)
    try folder.write(SampleImages.png(64, 64), to: "in/2.png")
    let tokens = folder.file("t.bin")
    let options = ["--size", "native", "--shard", "1"]
    let full = try checkpoint.encode(
      [folder.file("in")], to: tokens, options, fileLimit: 3)
    #expect(full.code == 74, "\(full)")
    #expect(full.errors.contains("--resume"), "\(full)")
    #expect(
      folder.files().filter { $0.hasPrefix("t") }
        == ["t-00001.bin", "t-00001.bin.json", "t-00002.bin", "t-00002.bin.json"])
    let resumed = try checkpoint.encode(
      [folder.file("in")], to: tokens, options + ["--resume", "--verify"])
    #expect(resumed.code == 0, "\(resumed)")
    #expect(resumed.output.contains("verified: 3 of 3"), "\(resumed)")
  }

  @Test("a full disk while decoding names the file, and leaves nothing half written")
  func fullDiskWhileDecoding() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try images(2, side: 64)
    let tokens = folder.file("t.npy")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens, ["--size", "native"]).code == 0)
    let outcome = try checkpoint.decode(tokens, to: folder.file("out"), fileLimit: 2)
    #expect(outcome.code == 74, "\(outcome)")
    #expect(outcome.errors.contains("out/"), "\(outcome)")
    #expect(outcome.errors.contains("free space"), "\(outcome)")
    #expect(!folder.files().contains { $0.hasPrefix("out/") })
  }
}
