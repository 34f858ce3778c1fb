import FileTestSupport
import Foundation
import Imaging
import Testing
import TokenFiles

/// What encode says of images, sizes and outputs, so that its user knows what to do.
@Suite("Advice of encode")
struct EncodeAdviceTests {
  let folder: ScratchFolder

  init() throws { folder = try ScratchFolder() }

  @Test("images too small for training are told ten times at most, with a way out that works")
  func small() throws {
    let checkpoint = try TinyCheckpoint.of(.vq)
    for number in 0..<25 { try folder.write(SampleImages.png(16, 16), to: "in/\(number).png") }
    try folder.write(SampleImages.png(32, 32), to: "in/good.png")
    let outcome = try checkpoint.encode([folder.file("in")], to: folder.file("t.npy"))
    #expect(outcome.code == 65, "\(outcome)")
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.count { $0.contains("at least 32x32") } == 10, "\(outcome)")
    #expect(outcome.errors.contains("15 more files that are smaller than the 32x32"), "\(outcome)")
    #expect(outcome.errors.contains("add --size native, or --size 32x32"), "\(outcome)")
    #expect(!outcome.errors.contains("cover\""), "nothing that encode cannot do: \(outcome)")
    for size in ["native", "32x32", "32"] {
      let again = try checkpoint.encode(
        [folder.file("in")], to: folder.file("t.npy"), ["--force", "--size", size])
      #expect(again.code == 0, "\(again)")
      #expect(try TokenFile.open(path: folder.file("t.npy")).count == 26)
    }
  }

  @Test("an ending of another format is refused with those that there are")
  func ending() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let refused = try checkpoint.encode([folder.file("a.png")], to: folder.file("t.parquet"))
    #expect(refused.code == 64, "\(refused)")
    for word in [".parquet", ".safetensors", ".npy", ".bin", "--format"] {
      #expect(refused.errors.contains(word), "\(refused)")
    }
    #expect(folder.files() == ["a.png"])
    let named = try checkpoint.encode(
      [folder.file("a.png")], to: folder.file("t.v2"), ["--format", "npy"])
    #expect(named.code == 0, "\(named)")
    #expect(folder.files() == ["a.png", "t.v2.npy", "t.v2.npy.json"])
    #expect(try checkpoint.encode([folder.file("a.png")], to: folder.file("run.1")).code == 0)
  }

  @Test("the weights are not the run", arguments: ["encode", "decode"])
  func weights(command: String) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let outcome = try CommandRunner.run(
      command,
      [
        "--checkpoint", checkpoint.path + "/model.safetensors", "--output", folder.file("o"),
        folder.file("a.png"),
      ])
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.errors.contains("--checkpoint '\(checkpoint.path)'"), "\(outcome)")
  }

  @Test("a size that no memory holds is refused before any image is read")
  func hugeSize() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    try folder.write("no image", to: "a.png")
    let outcome = try checkpoint.encode(
      [folder.file("a.png")], to: folder.file("t.npy"), ["--size", "32768x32768"])
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("--size 32768x32768"), "\(outcome)")
    #expect(!outcome.errors.contains("a.png"), "\(outcome)")
  }

  @Test("the result says what became of sizes")
  func sizes() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    try folder.write(SampleImages.png(64, 48), to: "in/a.png")
    try folder.write(SampleImages.png(32, 32), to: "in/b.png")
    let model = try checkpoint.encode([folder.file("in")], to: folder.file("t.npy"))
    #expect(
      model.output.contains("1 image resized or cropped: 64x48 -> 32x32 pixels -> 16x16 tokens"),
      "\(model)")
    let native = try checkpoint.encode(
      [folder.file("in")], to: folder.file("u.npy"), ["--size", "native"])
    #expect(native.code == 0 && !native.output.contains("resized"), "\(native)")
  }

  @Test("files of other kinds and what a run left are told once")
  func passedOver() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    try folder.write(SampleImages.png(32, 32), to: "in/a.png")
    for name in ["a.webp", "b.webp", "c.tif"] { try folder.write([1], to: "in/" + name) }
    try folder.write("{}", to: "in/run/config.json")
    try folder.write(SampleImages.png(32, 32), to: "in/run/samples/1.png")
    let outcome = try checkpoint.encode([folder.file("in")], to: folder.file("t.npy"))
    #expect(outcome.code == 0, "\(outcome)")
    #expect(
      outcome.errors.contains("3 files of other kinds skipped (.webp 2, .tif 1)"), "\(outcome)")
    #expect(outcome.errors.contains("in/run holds what train wrote"), "\(outcome)")
    #expect(try TokenFile.open(path: folder.file("t.npy")).count == 1)
  }

  @Test(
    "transparent images are composited, told once, and recorded", arguments: ["white", "black"])
  func transparency(background: String) throws {
    // The same weights under another configuration.
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let copy = TinyCheckpoint(kind: .rotation, path: folder.file("run"))
    try FileManager.default.copyItem(atPath: checkpoint.path, toPath: copy.path)
    let file = copy.path + "/config.json"
    let text = String(decoding: try ScratchFolder.read(file), as: UTF8.self)
    try #require(text.contains("\"background\": \"white\""))
    try ScratchFolder.put(
      Array(
        text.replacing("\"background\": \"white\"", with: "\"background\": \"\(background)\"").utf8),
      at: file)
    try folder.write(Self.glow, to: "in/glow.png")
    let color = background == "white" ? PixelColor.white : .black
    let plain = Image(width: 2, height: 2, filledWith: color)
    try folder.write(try ImageEncoder().encode(plain, as: .png), to: "in/plain.png")
    let tokens = folder.file("t.npy")
    let outcome = try copy.encode(
      [folder.file("in")], to: tokens, ["--size", "native", "--verify"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(
      outcome.errors.contains(
        "1 image has transparency (an alpha channel); composited over \(background)"), "\(outcome)")
    let tokenFile = try TokenFile.open(path: tokens)
    #expect(tokenFile.recipe.background == background)
    // What is wholly transparent is the background alone.
    #expect(try tokenFile.record(at: 0).tokens == tokenFile.record(at: 1).tokens)
  }

  /// A PNG of 2x2 pixels, RGBA, red and wholly transparent.
  private static let glow: [UInt8] = [
    0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A, 0x00, 0x00, 0x00, 0x0D, 0x49, 0x48, 0x44,
    0x52, 0x00, 0x00, 0x00, 0x02, 0x00, 0x00, 0x00, 0x02, 0x08, 0x06, 0x00, 0x00, 0x00, 0x72,
    0xB6, 0x0D, 0x24, 0x00, 0x00, 0x00, 0x11, 0x49, 0x44, 0x41, 0x54, 0x78, 0x9C, 0x63, 0xF8,
    0xCF, 0xC0, 0xC0, 0x00, 0xC2, 0x0C, 0x30, 0x06, 0x00, 0x29, 0xE8, 0x03, 0xFD, 0x01, 0x3A,
    0x63, 0x7E, 0x00, 0x00, 0x00, 0x00, 0x49, 0x45, 0x4E, 0x44, 0xAE, 0x42, 0x60, 0x82,
  ]
}
