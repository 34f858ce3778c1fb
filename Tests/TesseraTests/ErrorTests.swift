import FileTestSupport
import Foundation
import Tessera
import Testing

/// Whatever a stranger passes comes back as an error that says what was expected.
struct ErrorTests {
  /// Expects an error of a kind whose text holds some words.
  private func expect(
    _ kind: TesseraError.Kind, _ words: String, location: SourceLocation = #_sourceLocation,
    _ work: () throws -> Void
  ) {
    let error = #expect(throws: TesseraError.self, sourceLocation: location, performing: work)
    #expect(error?.kind == kind, "\(error as Any)", sourceLocation: location)
    #expect(
      error?.description.contains(words) == true, "\(error as Any)", sourceLocation: location)
    #expect(error?.localizedDescription == error?.description, sourceLocation: location)
  }

  @Test func checkpoints() throws {
    let scratch = try ScratchFolder()
    expect(.argument, "empty name") { _ = try Tokenizer(checkpoint: "") }
    expect(.notFound, "config.json") { _ = try Tokenizer(checkpoint: scratch.file("nowhere")) }
    let fsq = try Trained.fsq.get()
    expect(.argument, "threads: expected 1") { _ = try Tokenizer(checkpoint: fsq, threads: 0) }
    expect(.notFound, "best.safetensors") { _ = try Tokenizer(checkpoint: fsq, weights: .best) }

    let copy = scratch.file("copy")
    try FileManager.default.copyItem(atPath: fsq, toPath: copy)
    let weights = try ScratchFolder.read(copy + "/model.safetensors")
    try ScratchFolder.put(Array(weights.dropLast(9)), at: copy + "/model.safetensors")
    expect(.badFile, "model.safetensors") { _ = try Tokenizer(checkpoint: copy) }
    // The last number of the file becomes a NaN.
    try ScratchFolder.put(
      Array(weights.dropLast(4)) + [0, 0, 0xC0, 0x7F], at: copy + "/model.safetensors")
    expect(.badFile, "not finite") { _ = try Tokenizer(checkpoint: copy) }
    try FileManager.default.removeItem(atPath: copy + "/model.safetensors")
    expect(.notFound, "model.safetensors") { _ = try Tokenizer(checkpoint: copy) }
    try ScratchFolder.put(Array("{".utf8), at: copy + "/config.json")
    expect(.configuration, "config.json") { _ = try Tokenizer(checkpoint: copy) }
  }

  @Test func images() throws {
    let scratch = try ScratchFolder()
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get())
    expect(.notFound, "a.png") { _ = try Image(contentsOf: scratch.file("a.png")) }
    try scratch.write("words", to: "a.png")
    expect(.badFile, "text") { _ = try Image(contentsOf: scratch.file("a.png")) }
    let image = Trained.image(4, 4)
    expect(.argument, ".png") { try image.write(to: scratch.file("a.gif")) }
    expect(.argument, ".png") { try image.write(to: "png") }
    expect(.argument, "quality") { try image.write(to: scratch.file("a.jpg"), quality: 0) }
    expect(.output, "nowhere") { try image.write(to: scratch.file("nowhere/a.png")) }

    expect(.argument, "48; found 47") {
      _ = try tokenizer.encode(rgb: Array(image.pixels.dropLast()), width: 4, height: 4)
    }
    expect(.argument, "0x4") { _ = try tokenizer.encode(rgb: [], width: 0, height: 4) }
    expect(.argument, "-1x4") { _ = try tokenizer.encode([Float](), width: -1, height: 4) }
    expect(.argument, "found 12") {
      _ = try Image(rgb: [UInt8](repeating: 0, count: 12), width: .max, height: .max)
    }
    var numbers = [Float](repeating: 0, count: 48)
    for wrong in [Float.nan, .infinity, 1.5, -2] {
      numbers[7] = wrong
      expect(.argument, "number 7 is \(wrong)") {
        _ = try tokenizer.encode(numbers, width: 4, height: 4)
      }
    }
    expect(.argument, "too long and thin") {
      _ = try tokenizer.encode(Trained.image(1, 65), sizing: .model)
    }
    expect(.argument, "found none") { _ = try tokenizer.evaluate([]) }
    expect(.argument, "multiples of 2") {
      _ = try tokenizer.evaluate([image, Trained.image(3, 4)], sizing: .native)
    }
    let bounded = try Tokenizer(checkpoint: Trained.fsq.get(), memory: 100_000)
    expect(
      .memory, "of working memory even in tiles, more than the 0 MB that are allowed by memory"
    ) {
      _ = try bounded.encode(Image(width: 640, height: 640))
    }
    expect(.memory, "Raise memory") {
      _ = try bounded.encode([Float](repeating: 0, count: 30_000), width: 100, height: 100)
    }
    expect(.argument, "memory: expected at least 1 byte, found 0") {
      _ = try Tokenizer(checkpoint: Trained.fsq.get(), memory: 0)
    }
  }

  @Test func tokens() throws {
    let tokenizer = try Tokenizer(checkpoint: Trained.fsq.get())
    func decode(_ ids: [Int], _ rows: Int, _ columns: Int) throws {
      _ = try tokenizer.decode(ids: ids, rows: rows, columns: columns)
    }
    expect(.argument, "at least one token") { try decode([], 0, 0) }
    expect(.argument, "at least one token") { try decode([1], -1, -1) }
    expect(.argument, "expected 2 x 2 ids, found 3") { try decode([1, 2, 3], 2, 2) }
    expect(.argument, "found 1") { try decode([1], .max, .max) }
    expect(.argument, "id 1 is -1") { try decode([0, -1], 1, 2) }
    expect(.argument, "id 0 is 4294967296") { try decode([1 << 32], 1, 1) }
    expect(.argument, "1000") { try decode([1000], 1, 1) }
    expect(.argument, "expected 1 ids to a token") {
      _ = try tokenizer.decode(Tokens(ids: [1, 2], rows: 1, columns: 1, depth: 2))
    }
    expect(.argument, "3x2 pixels are more") {
      _ = try tokenizer.decode(Tokens(ids: [1], rows: 1, columns: 1, width: 3))
    }
    expect(.argument, "width: expected at least 1") {
      _ = try Tokens(ids: [1], rows: 1, columns: 1, width: 0)
    }
    expect(.argument, "limit") {
      let count = 5000 * 5000
      _ = try tokenizer.decode(
        ids: [UInt16](repeating: 0, count: count), rows: 5000, columns: 5000)
    }
  }

  @Test func tokenFiles() throws {
    let scratch = try ScratchFolder()
    let (fsq, residual) = (try Trained.fsq.get(), try Trained.residual.get())
    let file = scratch.file("tokens.safetensors")
    try Trained.image(8, 8).write(to: scratch.file("a.png"))
    let outcome = try CommandRunner.run(
      "encode", ["--checkpoint", fsq, "--size", "native", "--output", file, scratch.file("a.png")])
    #expect(outcome.code == 0, "\(outcome)")
    let tokens = try TokenFile(path: file)
    #expect(tokens.count == 1 && tokens.identity.codebookSize == 1000)
    expect(.argument, "expected 0 to 0") { _ = try tokens.entry(at: 1) }
    expect(.argument, "expected 0 to 0") { _ = try tokens.entry(at: -1) }
    expect(.badFile, "another tokenizer") {
      _ = try TokenFile(path: file, for: Tokenizer(checkpoint: residual))
    }
    expect(.notFound, "nowhere") { _ = try TokenFile(path: scratch.file("nowhere.safetensors")) }
    try scratch.write("words", to: "words.safetensors")
    expect(.badFile, "words") { _ = try TokenFile(path: scratch.file("words.safetensors")) }
    // A file that changes under its reader is told.
    try ScratchFolder.put([], at: file)
    expect(.badFile, "tokens.safetensors") { _ = try tokens.entry(at: 0).tokens() }
  }
}
