import FileTestSupport
import Foundation
import Tessera
import Testing

/// The programs in `Examples/`, run as whoever copies them would.
struct ExampleTests {
  @Test func anImageBecomesTokensAndAnImageAgain() throws {
    let scratch = try ScratchFolder()
    try Trained.image(20, 13).write(to: scratch.file("photo.png"))
    let outcome = try CommandRunner.run(
      "EncodeImage", [Trained.fsq.get(), scratch.file("photo.png"), scratch.file("decoded.png")])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.hasPrefix("20x13 pixels became 7x10 tokens of 1000 codes"), "\(outcome)")
    let decoded = try Image(contentsOf: scratch.file("decoded.png"))
    #expect(decoded.width == 20 && decoded.height == 13)
    let failed = try CommandRunner.run("EncodeImage", ["nowhere", "a.png", "b.png"])
    #expect(failed.code == 1 && failed.errors.hasPrefix("error: nowhere"), "\(failed)")
  }

  @Test func aTokenizerIsTrainedOnAFolder() throws {
    let scratch = try ScratchFolder()
    let outcome = try CommandRunner.run(
      "TrainOnFolder", [Trained.scenes.get() + "/train", scratch.file("run"), "2"])
    #expect(outcome.code == 0, "\(outcome)")
    #expect(outcome.output.contains("step 2 of 2: loss "), "\(outcome)")
    #expect(outcome.output.contains("step 2: PSNR "), "\(outcome)")
    _ = try Tokenizer(checkpoint: scratch.file("run"))
  }

  @Test func aModelOfOnesOwnIsTrained() throws {
    let outcome = try CommandRunner.run("OwnModel", [])
    #expect(outcome.code == 0, "\(outcome)")
    let said = outcome.output.split(separator: " ").last.flatMap { Float($0.dropLast()) }
    #expect(abs(try #require(said)) < 0.1, "\(outcome)")
  }

  /// The example of docs/own-model.md: trained, and trained further by nobody who forgets `--resume`.
  @Test func aClassifierIsTrainedIntoAFolder() throws {
    let scratch = try ScratchFolder()
    let folder = scratch.file("circle")
    let outcome = try CommandRunner.run("Classifier", [folder])
    #expect(outcome.code == 0, "\(outcome)")
    let losses = outcome.output.split(separator: "\n").compactMap { line in
      line.split(separator: " ").last.flatMap { Double($0) }
    }
    #expect(losses.count == 5 && losses[4] < 0.2, "\(outcome)")
    let configuration = try String(contentsOfFile: folder + "/config.json", encoding: .utf8)
    #expect(configuration.contains("\"kind\": \"model\"") && !configuration.contains("mage"))
    #expect(try CommandRunner.run("Classifier", [folder]).code != 0)
    // What compares tokenizers reads it, by its log; what needs a tokenizer says so.
    let compared = try CommandRunner.run("compare", [folder, "--html", scratch.file("page.html")])
    #expect(compared.code == 0 && compared.output.contains("held-out loss"), "\(compared)")
    let page = try String(contentsOfFile: scratch.file("page.html"), encoding: .utf8)
    for figure in ["Training loss", "Held-out loss", "Learning rate"] {
      #expect(page.contains(figure), "\(figure)")
    }
    let (photo, tokens) = (scratch.file("photo.png"), scratch.file("tokens.safetensors"))
    try Trained.image(20, 13).write(to: photo)
    let encoded = try CommandRunner.run(
      "encode", ["--checkpoint", folder, "--output", tokens, photo])
    #expect(encoded.code == 65 && encoded.errors.contains("of kind \"model\""), "\(encoded)")
  }

  @Test(arguments: ["EncodeImage", "TrainOnFolder", "OwnModel", "Classifier"])
  func noExampleHasMoreThanThirtyLines(_ name: String) throws {
    let path = CommandRunner.repository.appendingPathComponent("Examples/\(name)/main.swift")
    let text = try String(contentsOf: path, encoding: .utf8)
    #expect(text.split(separator: "\n", omittingEmptySubsequences: false).count <= 31)
  }
}
