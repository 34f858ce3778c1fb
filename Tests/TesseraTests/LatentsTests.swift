import FileTestSupport
import Tessera
import Testing

/// Latents through the library are those of the commands.
struct LatentsTests {
  @Test func latentsDecodeToThePixelsOfTheCommands() throws {
    let scratch = try ScratchFolder()
    try scratch.folder("in")
    let checkpoint = try Trained.kl.get()
    let tokenizer = try Tokenizer(checkpoint: checkpoint, threads: 2)
    #expect(tokenizer.isContinuous && tokenizer.codebookSize == 0)
    #expect(tokenizer.latentChannels == 4)
    let images = (0..<3).map { _ in Trained.image(33, 30) } + [Trained.image(32, 32)]
    for (index, image) in images.dropLast().enumerated() {
      try image.write(to: scratch.file("in/\(index).png"))
    }
    let file = scratch.file("l.safetensors")
    for (command, arguments) in [
      ("encode", ["--output", file, "--size", "native", scratch.file("in")]),
      ("decode", ["--output", scratch.file("out"), file]),
    ] {
      let outcome = try CommandRunner.run(command, ["--checkpoint", checkpoint] + arguments)
      #expect(outcome.code == 0, "\(outcome)")
    }
    let latents = try tokenizer.latents(of: images)
    #expect((latents[0].rows, latents[0].columns, latents[0].channels) == (15, 17, 4))
    let decoded = try tokenizer.decode(latents: latents)
    for index in 0..<3 {
      #expect(try tokenizer.latents(of: images[index]) == latents[index])
      #expect(try Image(contentsOf: scratch.file("out/\(index).png")) == decoded[index])
    }
    #expect((decoded[3].width, decoded[3].height) == (32, 32))
    let made = try Latents(
      numbers: [Float](repeating: 0, count: 2 * 3 * 4), rows: 2, columns: 3, channels: 4)
    let image = try tokenizer.decode(latents: made)
    #expect((image.width, image.height) == (6, 4))
    let evaluation = try tokenizer.evaluate([images[3]])
    #expect(evaluation.latentUse?.channels == 4 && evaluation.bitsPerPixel == 0)
  }

  private func says(_ kind: TesseraError.Kind, _ words: String, _ body: () throws -> Void) {
    let error = #expect(throws: TesseraError.self) { try body() }
    #expect(error?.kind == kind && error?.description.contains(words) == true, "\(error as Any)")
  }

  @Test func eachHasItsOwn() throws {
    let kl = try Tokenizer(checkpoint: try Trained.kl.get(), threads: 1)
    let fsq = try Tokenizer(checkpoint: try Trained.fsq.get(), threads: 1)
    let image = Trained.image(8, 8)
    says(.argument, "makes latents and no tokens") { _ = try kl.encode(image) }
    says(.argument, "makes latents and no tokens") {
      _ = try kl.decode(ids: [0], rows: 1, columns: 1)
    }
    says(.argument, "makes tokens") { _ = try fsq.latents(of: image) }
    #expect(!fsq.isContinuous && fsq.latentChannels == nil)
    says(.argument, "latent vectors of 4 channels, found 2") {
      _ = try kl.decode(latents: Latents(numbers: [0, 0], rows: 1, columns: 1, channels: 2))
    }
    says(.argument, "finite") {
      _ = try kl.decode(
        latents: Latents(numbers: [0, .nan, 0, 0], rows: 1, columns: 1, channels: 4))
    }
    says(.argument, "expected 1 x 1 x 4 numbers, found 3") {
      _ = try Latents(numbers: [0, 0, 0], rows: 1, columns: 1, channels: 4)
    }
    says(.argument, "of latent vectors hold") {
      _ = try kl.decode(
        latents: Latents(
          numbers: [0, 0, 0, 0], rows: 1, columns: 1, channels: 4, width: 3, height: 1))
    }
  }
}
