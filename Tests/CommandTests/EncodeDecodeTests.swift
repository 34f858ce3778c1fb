import Datasets
import FileTestSupport
import Foundation
import Imaging
import Inference
import Testing
import TokenFiles
import Training

/// encode -> file -> decode gives the pixels of the model's own forward pass, whatever the way.
@Suite("Encode and decode")
struct EncodeDecodeTests {
  static let oddSizes = [(1, 1), (17, 31), (33, 64), (2, 5), (32, 32), (64, 3)]

  @Test("native: every size comes back exactly", arguments: TinyCheckpoint.Kind.allCases)
  func native(kind: TinyCheckpoint.Kind) throws {
    let checkpoint = try TinyCheckpoint.of(kind)
    let folder = try ScratchFolder()
    for (number, (width, height)) in Self.oddSizes.enumerated() {
      try folder.write(
        SampleImages.png(width, height, number: number), to: "in/größe \(width)x\(height).png")
    }
    let encoded = try checkpoint.encode(
      [folder.file("in")], to: folder.file("t.safetensors"), ["--size", "native", "--verify"])
    #expect(encoded.code == 0, "\(encoded)")
    #expect(encoded.output.contains("6 images"), "\(encoded)")
    #expect(encoded.output.contains("verified: 6 of 6 images"), "\(encoded)")
    let decoded = try checkpoint.decode(folder.file("t.safetensors"), to: folder.file("out"))
    #expect(decoded.code == 0, "\(decoded)")
    #expect(decoded.output.contains("6 images decoded"), "\(decoded)")
    for (number, (width, height)) in Self.oddSizes.enumerated() {
      let image = try SampleImages.read(folder.file("out/größe \(width)x\(height).png"))
      let original = SampleImages.image(width, height, number: number)
      #expect(try image == checkpoint.forwardNative(original), "\(width)x\(height)")
    }
  }

  @Test("model: resized and cropped as trained", arguments: TinyCheckpoint.Kind.allCases)
  func model(kind: TinyCheckpoint.Kind) throws {
    let checkpoint = try TinyCheckpoint.of(kind)
    let folder = try ScratchFolder()
    let sizes = [(64, 40), (33, 64), (32, 32)]
    for (number, (width, height)) in sizes.enumerated() {
      try folder.write(SampleImages.png(width, height, number: number), to: "in/\(number).png")
    }
    let tokens = folder.file("t.safetensors")
    let encoded = try checkpoint.encode([folder.file("in")], to: tokens, ["--verify"])
    #expect(encoded.code == 0, "\(encoded)")
    #expect(try checkpoint.decode(tokens, to: folder.file("out")).code == 0)
    let (run, _, codec) = try checkpoint.open()
    let augmentation = run.data.augmentation.withoutChance
    for (number, (width, height)) in sizes.enumerated() {
      let input = try augmentation.prepared(
        SampleImages.image(width, height, number: number), file: "")
      let square = input.centreCropped(width: augmentation.size, height: augmentation.size)
      #expect(square.width == checkpoint.imageSize)
      #expect(
        try SampleImages.read(folder.file("out/\(number).png"))
          == codec.reconstruct([square])[0].image)
    }
    let file = try TokenFile.open(path: tokens)
    #expect(file.recipe.size == "model")
    #expect(file.recipe.filter == (kind == .fsq ? "bicubic" : "none"))
    #expect(try file.record(at: 0).width == checkpoint.imageSize)
  }

  @Test("WxH: covered and cropped", arguments: [TinyCheckpoint.Kind.fsq, .rotation])
  func fixedSize(kind: TinyCheckpoint.Kind) throws {
    let checkpoint = try TinyCheckpoint.of(kind)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(64, 33), to: "a.png")
    try folder.write(SampleImages.png(5, 9), to: "b.png")
    let encoded = try checkpoint.encode(
      [folder.file("a.png"), folder.file("b.png")], to: folder.file("t.npy"),
      ["--size", "20x12", "--verify"])
    #expect(encoded.code == 0, "\(encoded)")
    #expect(try checkpoint.decode(folder.file("t.npy"), to: folder.file("out")).code == 0)
    let codec = try checkpoint.open().codec
    for (name, image) in [("a", SampleImages.image(64, 33)), ("b", SampleImages.image(5, 9))] {
      let input = image.resizedToFill(width: 20, height: 12)
      #expect(
        try SampleImages.read(folder.file("out/\(name).png"))
          == codec.reconstruct([input])[0].image, "\(name)")
    }
    #expect(try TokenFile.open(path: folder.file("t.npy")).recipe.size == "20x12")
  }

  @Test(
    "every format, whole and in shards, decodes to the same files", arguments: TokenFormat.allCases)
  func coats(format: TokenFormat) throws {
    let checkpoint = try TinyCheckpoint.of(.vq)
    let folder = try ScratchFolder()
    for (number, (width, height)) in Self.oddSizes.enumerated() {
      try folder.write(SampleImages.png(width, height, number: number), to: "in/\(number).png")
    }
    func decoded(_ tokens: String, to output: String) throws -> [Image] {
      let outcome = try checkpoint.decode(tokens, to: output)
      #expect(outcome.code == 0, "\(outcome)")
      return try Self.oddSizes.indices.map { try SampleImages.read("\(output)/\($0).png") }
    }
    let whole = folder.file("whole.\(format.rawValue)")
    let native = ["--size", "native"]
    #expect(try checkpoint.encode([folder.file("in")], to: whole, native).code == 0)
    let images = try decoded(whole, to: folder.file("out"))
    for (index, (width, height)) in Self.oddSizes.enumerated() {
      let original = SampleImages.image(width, height, number: index)
      #expect(try images[index] == checkpoint.forwardNative(original))
    }
    // Without an ending, --format decides.
    let named = try checkpoint.encode(
      [folder.file("in")], to: folder.file("parts"),
      native + ["--format", format.rawValue, "--shard", "4", "--verify"])
    #expect(named.code == 0, "\(named)")
    #expect(named.output.contains("verified: 6 of 6"), "\(named)")
    #expect(folder.files().contains("parts-00002.\(format.rawValue)"))
    #expect(
      try decoded(folder.file("parts.\(format.rawValue)"), to: folder.file("out 2")) == images)
  }

  @Test("the file does not depend on the threads")
  func threads() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    for number in 0..<7 {
      try folder.write(
        SampleImages.jpeg(20 + number, 30, number: number), to: "in/\(number % 2)/\(number).JPG")
    }
    for threads in ["1", "3"] {
      let outcome = try checkpoint.encode(
        [folder.file("in")], to: folder.file("\(threads).safetensors"),
        ["--size", "native", "--threads", threads])
      #expect(outcome.code == 0, "\(outcome)")
    }
    #expect(
      FileManager.default.contentsEqual(
        atPath: folder.file("1.safetensors"), andPath: folder.file("3.safetensors")))
    let names = try TokenFile.open(path: folder.file("1.safetensors")).paths
    #expect(names == ["0/0.JPG", "0/2.JPG", "0/4.JPG", "0/6.JPG", "1/1.JPG", "1/3.JPG", "1/5.JPG"])
  }

  @Test("--resume continues after the finished shards, and ends with the same files")
  func resume() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    for number in 0..<5 {
      try folder.write(SampleImages.png(16, 16, number: number), to: "in/\(number).png")
    }
    let options = ["--size", "native", "--shard", "2"]
    let tokens = folder.file("t.safetensors")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens, options).code == 0)
    let last = folder.file("t-00003.safetensors")
    let first = try Data(contentsOf: URL(fileURLWithPath: last))
    try FileManager.default.removeItem(atPath: last)
    let incomplete = try checkpoint.decode(tokens, to: folder.file("out"))
    #expect(incomplete.code == 65, "\(incomplete)")
    #expect(incomplete.errors.contains("t-00003.safetensors"), "\(incomplete)")
    let resumed = try checkpoint.encode(
      [folder.file("in")], to: tokens, options + ["--resume", "--verify"])
    #expect(resumed.code == 0, "\(resumed)")
    #expect(resumed.errors.contains("4 images already encoded"), "\(resumed)")
    #expect(resumed.output.contains("verified: 5 of 5"), "\(resumed)")
    #expect(try Data(contentsOf: URL(fileURLWithPath: last)) == first)
    // Once more finds nothing left to do.
    let again = try checkpoint.encode([folder.file("in")], to: tokens, options + ["--resume"])
    #expect(again.code == 0, "\(again)")
    #expect(again.output.contains("5 images"), "\(again)")
  }

  @Test("--verify names an image whose tokens are not those of its pixels")
  func mismatch() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    for name in ["a", "b", "c"] { try folder.write(SampleImages.png(16, 16), to: "in/\(name).png") }
    let options = ["--size", "native", "--shard", "2"]
    let tokens = folder.file("t.safetensors")
    #expect(try checkpoint.encode([folder.file("in")], to: tokens, options).code == 0)
    // Resuming keeps the tokens of an image that has become another one meanwhile.
    try folder.write(SampleImages.png(16, 16, number: 1), to: "in/b.png")
    let outcome = try checkpoint.encode(
      [folder.file("in")], to: tokens, options + ["--resume", "--verify"])
    #expect(outcome.code == 70, "\(outcome)")
    #expect(outcome.output.contains("verified: 2 of 3 images"), "\(outcome)")
    #expect(outcome.errors.contains("decode differently: b.png. "), "\(outcome)")
  }

  @Test("JPEG files come out, smaller at a lower quality")
  func jpeg() throws {
    let checkpoint = try TinyCheckpoint.of(.rotation)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(64, 63), to: "a.png")
    let tokens = folder.file("t.bin")
    #expect(
      try checkpoint.encode([folder.file("a.png")], to: tokens, ["--size", "native"]).code == 0)
    var sizes: [Int] = []
    for quality in ["20", "95"] {
      let options = ["--format", "jpeg", "--quality", quality]
      let outcome = try checkpoint.decode(tokens, to: folder.file(quality), options)
      #expect(outcome.code == 0, "\(outcome)")
      let path = folder.file("\(quality)/a.jpg")
      let image = try SampleImages.read(path)
      #expect((image.width, image.height) == (64, 63))
      sizes.append(try Data(contentsOf: URL(fileURLWithPath: path)).count)
    }
    #expect(sizes[0] < sizes[1])
  }

  @Test("--quiet leaves nothing but results")
  func quiet() throws {
    let checkpoint = try TinyCheckpoint.of(.fsq)
    let folder = try ScratchFolder()
    try folder.write(SampleImages.png(32, 32), to: "a.png")
    let tokens = folder.file("t.safetensors")
    let encoded = try checkpoint.encode([folder.file("a.png")], to: tokens, ["--quiet"])
    #expect(encoded.code == 0 && encoded.errors.isEmpty, "\(encoded)")
    #expect(encoded.output.split(separator: "\n").count == 1, "\(encoded)")
    #expect(encoded.output.contains("1 image, 256 tokens"), "\(encoded)")
    #expect(encoded.output.contains("of 1,000 codes used"), "\(encoded)")
    // log2 1000 bits for each square of 2x2 pixels.
    #expect(encoded.output.contains("2.491 bits/pixel"), "\(encoded)")
    let decoded = try checkpoint.decode(tokens, to: folder.file("out"), ["--quiet"])
    #expect(decoded.code == 0 && decoded.errors.isEmpty, "\(decoded)")
  }
}
