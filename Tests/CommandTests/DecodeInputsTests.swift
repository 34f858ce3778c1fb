import FileTestSupport
import Foundation
import Imaging
import Safetensors
import Testing
import TokenFiles

/// What decode makes of tokens that are damaged, foreign or named oddly.
@Suite("Inputs of decode")
struct DecodeInputsTests {
  /// A folder with the tokens of one image in it.
  private func encoded(
    _ checkpoint: TinyCheckpoint, as name: String
  ) throws -> (folder: ScratchFolder, tokens: String) {
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let tokens = folder.file(name)
    let outcome = try checkpoint.encode(
      [folder.file("a.png")], to: tokens, ["--size", "native"])
    #expect(outcome.code == 0, "\(outcome)")
    return (folder, tokens)
  }

  private func expectRefusal(
    _ outcome: CommandRunner.Outcome, _ code: Int32, _ words: [String], _ folder: ScratchFolder
  ) {
    #expect(outcome.code == code, "\(outcome)")
    #expect(outcome.output.isEmpty, "\(outcome)")
    for word in words { #expect(outcome.errors.contains(word), "\(word): \(outcome)") }
    #expect(!FileManager.default.fileExists(atPath: folder.file("out")))
  }

  @Test("tokens of another tokenizer are refused")
  func foreign() throws {
    let (folder, tokens) = try encoded(TinyCheckpoint.of(.fsq), as: "t.safetensors")
    let outcome = try TinyCheckpoint.of(.vq).decode(tokens, to: folder.file("out"))
    expectRefusal(outcome, 65, [tokens, "another tokenizer", "fsq [8, 5, 5, 5]"], folder)
  }

  @Test("a truncated file is refused", arguments: TokenFormat.allCases)
  func truncated(format: TokenFormat) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, tokens) = try encoded(checkpoint, as: "t.\(format.rawValue)")
    let data = try Data(contentsOf: URL(fileURLWithPath: tokens))
    try data.dropLast(10).write(to: URL(fileURLWithPath: tokens))
    let outcome = try checkpoint.decode(tokens, to: folder.file("out"))
    expectRefusal(outcome, 65, ["t.\(format.rawValue)"], folder)
  }

  @Test("an id beyond the codebook is refused, naming image and position")
  func outOfRange() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, tokens) = try encoded(checkpoint, as: "t.bin")
    var data = try Data(contentsOf: URL(fileURLWithPath: tokens))
    // Token 7, in two bytes, little-endian: 1000 where 999 is the last.
    data.replaceSubrange(14..<16, with: [0xE8, 0x03])
    try data.write(to: URL(fileURLWithPath: tokens))
    let outcome = try checkpoint.decode(tokens, to: folder.file("out"))
    expectRefusal(outcome, 65, ["token 7", "a.png", "1000"], folder)
  }

  @Test("an id that is another one than was written is refused")
  func changed() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, tokens) = try encoded(checkpoint, as: "t.bin")
    var data = try Data(contentsOf: URL(fileURLWithPath: tokens))
    data[14] ^= 1
    data[15] = 0
    try data.write(to: URL(fileURLWithPath: tokens))
    let outcome = try checkpoint.decode(tokens, to: folder.file("out"))
    expectRefusal(outcome, 65, ["checksum"], folder)
  }

  @Test("a size that the tokens do not fill is refused")
  func contradictorySize() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let (folder, tokens) = try encoded(checkpoint, as: "t.bin")
    let sidecar = URL(fileURLWithPath: folder.file("t.bin.json"))
    var header = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: sidecar)) as? [String: Any])
    header["sizes"] = [[33, 32]]
    try JSONSerialization.data(withJSONObject: header).write(to: sidecar)
    let outcome = try checkpoint.decode(tokens, to: folder.file("out"))
    #expect(outcome.code == 65, "\(outcome)")
    #expect(outcome.errors.contains("32x33"), "\(outcome)")
  }

  @Test("no file, a folder, an image: each says what it is")
  func noTokens() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(8, 8), to: "a.png")
    let nowhere = try checkpoint.decode(folder.file("t.safetensors"), to: folder.file("out"))
    expectRefusal(nowhere, 66, ["t.safetensors"], folder)
    let image = try checkpoint.decode(folder.file("a.png"), to: folder.file("out"))
    expectRefusal(image, 65, ["a.png"], folder)
    let model = try checkpoint.decode(
      checkpoint.path + "/model.safetensors", to: folder.file("out"))
    expectRefusal(model, 65, ["model.safetensors"], folder)
  }

  @Test("names stay within the output folder, and never collide")
  func names() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let identity = try checkpoint.open().identity
    let folder = try ScratchFolder()
    let tokens = folder.file("t.safetensors")
    let paths = [
      "../../evil.png", "/absolute.png", "a.png", "a.jpg", "./b//c.JPG", "..", "v1.2", "d.png",
      "d.png/inner.png", "x.png", "x.png",
    ]
    let writer = try TokenWriter(
      path: tokens, format: .safetensors, identity: identity, recipe: .generated)
    for path in paths {
      try writer.append(
        TokenRecord(
          path: path, width: 1, height: 1, paddedWidth: 1, paddedHeight: 1, gridHeight: 1,
          gridWidth: 1, tokens: [3]))
    }
    _ = try writer.finish()
    let outcome = try checkpoint.decode(tokens, to: folder.file("deep/down/out"))
    #expect(outcome.code == 0, "\(outcome)")
    let expected = [
      "a.jpg.png", "a.png.png", "absolute.png", "b/c.png", "d-2.png", "d.png/inner.png",
      "evil.png", "image-6.png", "v1.2.png", "x.png-2.png", "x.png.png",
    ].map { "deep/down/out/" + $0 }
    #expect(folder.files() == (expected + ["t.safetensors"]).sorted())
  }

  @Test("a.png and a.jpg stay two files")
  func twins() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(6, 4), to: "in/a.png")
    try folder.write(SampleImages.jpeg(4, 6), to: "in/a.jpg")
    let tokens = folder.file("t.npy")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens, ["--size", "native"]).code == 0)
    #expect(try checkpoint.decode(tokens, to: folder.file("out")).code == 0)
    #expect(try SampleImages.read(folder.file("out/a.png.png")).width == 6)
    #expect(try SampleImages.read(folder.file("out/a.jpg.png")).width == 4)
  }

  @Test(
    "wrong values are wrong usage",
    arguments: [
      (["--quality", "90"], "--format jpeg"), (["--format", "jpeg", "--quality", "0"], "1 to 100"),
      (["--format", "gif"], "gif"),
    ])
  func usage(options: [String], expected: String) throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    let outcome = try checkpoint.decode(
      folder.file("t.safetensors"), to: folder.file("out"), options)
    expectRefusal(outcome, 64, [expected], folder)
  }
}
