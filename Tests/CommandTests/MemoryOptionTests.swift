import FileTestSupport
import Foundation
import Imaging
import Testing

/// `--memory`: what does not fit is computed in tiles, and nothing else changes.
@Suite("Bounded memory")
struct MemoryOptionTests {
  /// An image of which one lane needs some 150 MB as a whole.
  private static let large: Image = {
    let tile = SampleImages.image(64, 64)
    var pixels: [UInt8] = []
    for y in 0..<520 {
      for x in 0..<650 {
        let color = tile[x % 61, (y + x / 7) % 59]
        pixels += [color.red, color.green, UInt8(truncatingIfNeeded: Int(color.blue) + y / 3)]
      }
    }
    return Image(width: 650, height: 520, pixels: pixels)
  }()

  @Test(
    "tokens and pixels are those of the whole image",
    arguments: [TinyCheckpoint.Kind.fsq, .residual])
  func sameTokens(kind: TinyCheckpoint.Kind) throws {
    let checkpoint = try TinyCheckpoint.of(kind)
    let folder = try ScratchFolder()
    try folder.write(try ImageEncoder().encode(Self.large, as: .png), to: "in/a.png")
    try folder.write(try SampleImages.png(40, 44), to: "in/b.png")
    let (whole, tiled) = (folder.file("whole.safetensors"), folder.file("tiled.safetensors"))
    let options = ["--size", "native"]
    #expect(try checkpoint.encode([folder.file("in")], to: whole, options).code == 0)
    let outcome = try checkpoint.encode(
      [folder.file("in")], to: tiled, options + ["--memory", "150MB", "--verify"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("verified: 2 of 2"), "\(outcome)")
    #expect(try ScratchFolder.read(whole) == ScratchFolder.read(tiled))

    #expect(try checkpoint.decode(whole, to: folder.file("one")).code == 0)
    let decoded = try checkpoint.decode(
      whole, to: folder.file("two"), ["--memory", "150MB"])
    #expect(decoded.code == 0, "\(decoded)")
    for name in ["a.png", "b.png"] {
      #expect(
        try ScratchFolder.read(folder.file("one/\(name)"))
          == ScratchFolder.read(folder.file("two/\(name)")))
    }
  }

  @Test("what does not fit even in tiles is refused, with what it needs")
  func tooSmall() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(try ImageEncoder().encode(Self.large, as: .png), to: "in/a.png")
    let outcome = try checkpoint.encode(
      [folder.file("in")], to: folder.file("t.npy"), ["--size", "native", "--memory", "82MB"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("a.png: 650x520 pixels need "), "\(outcome)")
    #expect(outcome.errors.contains("--memory"), "\(outcome)")
  }

  /// An image that is in tiles for some seconds, and one that takes none.
  private func slowFolder() throws -> (folder: ScratchFolder, options: [String]) {
    let folder = try ScratchFolder()
    var pixels: [UInt8] = []
    for _ in 0..<3 { pixels += Self.large.pixels }
    let tall = Image(width: 650, height: 1560, pixels: pixels)
    try folder.write(
      try ImageEncoder().encode(SampleImages.image(40, 44), as: .png), to: "in/a.png")
    try folder.write(try ImageEncoder().encode(tall, as: .png), to: "in/b.png")
    return (folder, ["--memory", "110MB"])
  }

  /// Runs a command on a terminal, and sends it a signal once a tile of an image is told.
  private func interrupted(
    _ command: String, _ arguments: [String], signal: Int32
  ) throws -> PseudoTerminal {
    try PseudoTerminal.run(
      command, arguments, columns: 80, sending: signal, after: "b.png: pass ")
  }

  @Test("a stop is heard between tiles, and tells how to go on", arguments: [SIGINT, SIGTERM])
  func stops(signal: Int32) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, memory) = try slowFolder()
    let options = ["--checkpoint", checkpoint.path] + memory
    let whole = folder.file("whole.safetensors")
    let native = ["--size", "native", folder.file("in")]
    let encoding = try interrupted(
      "encode", options + ["--output", folder.file("t.safetensors")] + native, signal: signal)
    #expect(encoding.code == 128 + signal, "\(encoding)")
    #expect(encoding.screen.contains { $0.contains("stopped. Nothing was written") }, "\(encoding)")
    #expect(!folder.files().contains { $0.hasPrefix("t.") }, "\(folder.files())")

    #expect(try checkpoint.encode([folder.file("in")], to: whole, ["--size", "native"]).code == 0)
    let decoding = try interrupted(
      "decode", options + ["--output", folder.file("out"), whole], signal: signal)
    #expect(decoding.code == 128 + signal, "\(decoding)")
    #expect(
      decoding.screen.contains { $0.contains("Run again with --force to decode all") },
      "\(decoding)")
    #expect(!folder.files().contains("out/b.png"), "\(folder.files())")
  }

  @Test("verification is stopped between tiles too")
  func stopsVerifying() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, _) = try slowFolder()
    // Shards that are there already: the first tiles are those of the verification.
    let output = ["--output", folder.file("t.safetensors"), "--shard", "8", "--size", "native"]
    let inputs = output + [folder.file("in")]
    #expect(
      try CommandRunner.run("encode", ["--checkpoint", checkpoint.path] + inputs).code == 0)
    let verifying = try interrupted(
      "encode",
      ["--checkpoint", checkpoint.path, "--resume", "--verify", "--memory", "160MB"] + inputs,
      signal: SIGINT)
    #expect(verifying.code == 130, "\(verifying)")
  }

  @Test("progress within an image is for terminals that are not quiet")
  func progress() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(try ImageEncoder().encode(Self.large, as: .png), to: "in/a.png")
    let arguments = [
      "--checkpoint", checkpoint.path, "--memory", "110MB", "--size", "native", "--force",
      "--output", folder.file("t.npy"), folder.file("in"),
    ]
    let shown = try PseudoTerminal.run("encode", arguments, columns: 80)
    #expect(shown.code == 0, "\(shown)")
    #expect(
      shown.drawn.contains { $0.wholeMatch(of: /a\.png: pass \d+ of \d+, \d+%/) != nil }, "\(shown)"
    )
    let quiet = try PseudoTerminal.run("encode", arguments + ["--quiet"], columns: 80)
    #expect(!quiet.output.contains("pass"), "\(quiet)")
    let piped = try CommandRunner.run("encode", arguments)
    #expect(!piped.errors.contains("pass"), "\(piped)")
  }

  @Test("attention that does not fit is refused by name")
  func attention() throws {
    let folder = try ScratchFolder.forTraining(steps: 1)
    let trained = try CommandRunner.run(
      "train",
      [
        "--config", "c.json", "--output", "run", "--quiet", "--set", "model.channels=[32,32]",
        "--set", "model.middleAttention=true",
      ], in: folder.path)
    #expect(trained.code == 0, "\(trained)")
    try folder.write(try ImageEncoder().encode(Self.large, as: .png), to: "large/a.png")
    let outcome = try CommandRunner.run(
      "encode",
      [
        "--checkpoint", "run", "--output", "t.npy", "--size", "native", "--memory", "108MB",
        "large",
      ], in: folder.path)
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("encoder.mid_block.attentions.0"), "\(outcome)")
    #expect(outcome.errors.contains("sees the whole image"), "\(outcome)")
  }

  @Test(
    "nonsense is wrong usage",
    arguments: ["lots", "-1GB", "2 GB of it", "1e3", "5", "GB", "1MB"])
  func nonsense(text: String) throws {
    for (command, rest) in [("encode", "a.png"), ("decode", "t.npy")] {
      let outcome = try CommandRunner.run(
        command, ["--checkpoint", "c", "--output", "o", "--memory=\(text)", rest])
      #expect(outcome.code == 64, "\(outcome)")
      #expect(outcome.errors.hasPrefix("error: --memory \(text): expected "), "\(outcome)")
    }
  }
}
