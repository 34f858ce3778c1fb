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
