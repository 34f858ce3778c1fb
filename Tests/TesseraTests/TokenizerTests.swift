import FileTestSupport
import Tessera
import Testing

/// What the library computes is what the commands compute.
struct TokenizerTests {
  static let sizes = [(32, 32), (33, 30), (8, 50), (32, 32), (1, 1)]

  @Test(arguments: [Tokenizer.Sizing.native, .model])
  func idsAndPixelsAreThoseOfTheCommands(_ sizing: Tokenizer.Sizing) throws {
    for checkpoint in [try Trained.fsq.get(), try Trained.residual.get()] {
      let scratch = try ScratchFolder()
      try scratch.folder("in")
      let tokenizer = try Tokenizer(checkpoint: checkpoint, threads: 2)
      let images = Self.sizes.dropLast().map { Trained.image($0.0, $0.1) }
      for (index, image) in images.enumerated() {
        try image.write(to: scratch.file("in/\(index).png"))
      }
      let file = scratch.file("tokens.safetensors")
      let encoded = try CommandRunner.run(
        "encode",
        [
          "--checkpoint", checkpoint, "--output", file, "--size", "\(sizing)", scratch.file("in"),
        ])
      #expect(encoded.code == 0, "\(encoded)")
      let decoded = try CommandRunner.run(
        "decode", ["--checkpoint", checkpoint, "--output", scratch.file("out"), file])
      #expect(decoded.code == 0, "\(decoded)")

      let together = try tokenizer.encode(images, sizing: sizing)
      let pixels = try tokenizer.decode(together)
      for (index, entry) in try TokenFile(path: file, for: tokenizer).enumerated() {
        let tokens = try tokenizer.encode(images[index], sizing: sizing)
        #expect(tokens == together[index])
        #expect(try tokens == entry.tokens())
        #expect(entry.name == "\(index).png")
        let image = try Image(contentsOf: scratch.file("out/\(index).png"))
        #expect(try tokenizer.decode(tokens) == image)
        #expect(pixels[index] == image)
        #expect(sizing == .model || (image.width, image.height) == Self.sizes[index])
      }
    }
  }

  /// What does not fit into a call's memory goes through the network in tiles, and changes no bit.
  @Test func smallMemoryGivesTheBitsOfLargeOne() throws {
    let image = Trained.image(603, 500)
    let numbers = image.pixels.map { Float($0) / 127.5 - 1 }
    let (large, small) = (
      try Tokenizer(checkpoint: Trained.fsq.get(), threads: 2),
      try Tokenizer(checkpoint: Trained.fsq.get(), threads: 2, memory: 60_000_000)
    )
    let tokens = try large.encode(image)
    #expect(try small.encode(image) == tokens)
    #expect(try small.encode([image, Trained.image(8, 8)])[0] == tokens)
    #expect(try small.encode(numbers, width: image.width, height: image.height) == tokens)
    #expect(try small.decode(tokens) == large.decode(tokens))
    let even = Trained.image(602, 500)
    let (expected, found) = (
      try large.evaluate([even], sizing: .native), try small.evaluate([even], sizing: .native)
    )
    #expect(found.psnr == expected.psnr)
    #expect(found.ssim == expected.ssim)
    #expect(found.quantizationError == expected.quantizationError)

    let (continuous, bounded) = (
      try Tokenizer(checkpoint: Trained.kl.get(), threads: 2),
      try Tokenizer(checkpoint: Trained.kl.get(), threads: 2, memory: 60_000_000)
    )
    let latents = try continuous.latents(of: image)
    #expect(try bounded.latents(of: image) == latents)
    #expect(try bounded.decode(latents: latents) == continuous.decode(latents: latents))
    // That is less than the whole image needs.
    #expect(throws: TesseraError.self) {
      try Tokenizer(checkpoint: Trained.fsq.get(), memory: 200_000).encode(image)
    }
  }

  @Test func entriesHaveTheClassesOfTheirFolders() throws {
    let scratch = try ScratchFolder()
    for name in ["in/b/0.png", "in/a/deep/1.png", "in/2.png"] {
      try scratch.folder(name.split(separator: "/").dropLast().joined(separator: "/"))
      try Trained.image(8, 8).write(to: scratch.file(name))
    }
    for (options, classes, names) in [
      ([], ["a", "b"], ["2.png": nil, "a/deep/1.png": "a", "b/0.png": "b"]),
      (["--no-labels"], [], ["2.png": nil, "a/deep/1.png": nil, "b/0.png": nil]),
    ] as [([String], [String], [String: String?])] {
      let path = scratch.file("t\(classes.count).npy")
      let outcome = try CommandRunner.run(
        "encode",
        ["--checkpoint", Trained.fsq.get(), "--size", "native", "--output", path] + options
          + [scratch.file("in")])
      #expect(outcome.code == 0, "\(outcome)")
      let file = try TokenFile(path: path)
      #expect(file.classes == classes)
      #expect(Dictionary(uniqueKeysWithValues: file.map { ($0.name, $0.className) }) == names)
    }
  }

  @Test func bytesNumbersAndImagesGiveTheSameTokens() throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get(), threads: 1)
    for (width, height) in Self.sizes {
      let image = Trained.image(width, height)
      let tokens = try tokenizer.encode(image)
      #expect(tokens.rows == (height + 1) / 2 && tokens.columns == (width + 1) / 2)
      #expect(tokens.ids.count == tokens.rows * tokens.columns)
      #expect(tokens.width == width && tokens.height == height)
      #expect(try tokenizer.encode(rgb: image.pixels, width: width, height: height) == tokens)
      let numbers = image.pixels.map { Float($0) / 127.5 - 1 }
      #expect(try tokenizer.encode(numbers, width: width, height: height) == tokens)
      let whole = try tokenizer.decode(
        ids: tokens.ids.map(Int.init), rows: tokens.rows, columns: tokens.columns)
      #expect(whole.width == 2 * tokens.columns && whole.height == 2 * tokens.rows)
    }
  }

  @Test func aTokenOfSeveralIdsLiesTogether() throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.residual.get(), threads: 1)
    let tokens = try tokenizer.encode(Trained.image(6, 4))
    #expect(tokenizer.depth == 3 && tokens.ids.count == 2 * 3 * 3)
    #expect(tokens[1, 2].map(Array.init) == Array(tokens.ids.suffix(3)))
    #expect(tokens[2, 0] == nil && tokens[0, -1] == nil)
  }

  @Test func severalTasksShareATokenizer() async throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get(), threads: 2)
    let images = (0..<24).map { Trained.image(8 + 2 * ($0 % 5), 8 + 4 * ($0 % 3)) }
    let expected = try tokenizer.encode(images)
    let found = try await withThrowingTaskGroup { group in
      for (index, image) in images.enumerated() {
        group.addTask {
          let tokens =
            index.isMultiple(of: 4)
            ? try tokenizer.encode([image, image])[1] : try tokenizer.encode(image)
          return (index, tokens, try tokenizer.decode(tokens))
        }
      }
      return try await group.reduce(into: [Int: (Tokens, Image)]()) { $0[$1.0] = ($1.1, $1.2) }
    }
    for (index, tokens) in expected.enumerated() {
      #expect(found[index]?.0 == tokens)
      #expect(try found[index]?.1 == tokenizer.decode(tokens))
    }
  }

  @Test func evaluationCountsWhatItSees() throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get(), threads: 2)
    let images = (0..<3).map { Trained.image(32 + 2 * $0, 32) }
    let result = try tokenizer.evaluate(images)
    #expect(result.images == 3 && result.tokens == 3 * 256 && result.pixels == 3 * 1024)
    #expect(result.usage.codes == 1000 && result.psnr > 0)
    let native = try tokenizer.evaluate(images, sizing: .native)
    #expect(native.pixels == 32 * (32 + 34 + 36))
    // The same images, encoded and decoded by hand.
    let error = try images.map { image -> Double in
      let decoded = try tokenizer.decode(tokenizer.encode(image))
      let squares = zip(image.pixels, decoded.pixels).map { pow(Double($0) - Double($1)) }
      return squares.reduce(0, +) / Double(squares.count)
    }
    #expect(abs(native.psnr - decibels(error.reduce(0, +) / 3)) < 1e-9)
  }

  @Test func nothingInIsNothingOut() throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get())
    #expect(try tokenizer.encode([Image]()).isEmpty)
    #expect(try tokenizer.decode([Tokens]()).isEmpty)
  }
}
