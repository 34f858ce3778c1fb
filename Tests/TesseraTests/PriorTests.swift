import FileTestSupport
import Foundation
import Tessera
import Testing

/// A prior through the library.
struct PriorTests {
  private let prior: Prior
  private let tokenizer: Tokenizer

  /// Trained once, by the commands, on the tokens of a tokenizer of the library.
  private static let trained = Result { () throws -> (tokenizer: String, prior: String) in
    let (tokenizer, scenes) = (try Trained.fsq.get(), try Trained.scenes.get())
    let parent = URL(fileURLWithPath: tokenizer).deletingLastPathComponent().path
    let (tokens, prior) = (parent + "/prior-tokens.npy", parent + "/prior")
    for arguments in [
      ["encode", "--checkpoint", tokenizer, "--output", tokens, scenes + "/train"],
      [
        "train", "prior", "--data", tokens, "--output", prior, "--steps", "3", "--set",
        "training.batchSize=2", "--set", "model.width=32", "--set", "model.layers=1",
      ],
    ] {
      let outcome = try CommandRunner.run("tessera", arguments + ["--quiet"])
      guard outcome.code == 0 else { throw Failed(outcome: outcome) }
    }
    return (tokenizer, prior)
  }

  private struct Failed: Error { let outcome: CommandRunner.Outcome }

  init() throws {
    let folders = try Self.trained.get()
    prior = try Prior(checkpoint: folders.prior)
    tokenizer = try Tokenizer(checkpoint: folders.tokenizer)
  }

  @Test func whatIsDrawnDecodesAndCostsBits() throws {
    #expect(prior.tokenizerFingerprint == tokenizer.identity.fingerprint)
    #expect((prior.rows, prior.columns, prior.depth, prior.codebookSize) == (16, 16, 1, 1000))
    let drawn = try prior.sample(3, temperature: 0.9, topK: 100, topP: 0.9, seed: 4)
    #expect(
      try prior.sample(2, temperature: 0.9, topK: 100, topP: 0.9, seed: 4) == Array(drawn[..<2]))
    let image = try tokenizer.decode(drawn[0])
    #expect(image.width == 32 && image.height == 32)
    let bits = try prior.bits(of: drawn)
    #expect(bits.count == 3 && bits.allSatisfy { $0 > 0 && $0 < 256 * 12 })
    #expect(try prior.sample(0).isEmpty && prior.bits(of: []).isEmpty)
  }

  @Test func nonsenseIsRefused() throws {
    func expect(_ kind: TesseraError.Kind, _ words: String, _ work: () throws -> Void) {
      do {
        try work()
        Issue.record("expected an error with \(words)")
      } catch let error as TesseraError {
        #expect(error.kind == kind && error.description.contains(words), "\(error)")
      } catch { Issue.record(error) }
    }
    expect(.argument, "temperature above 0") { _ = try prior.sample(temperature: 0) }
    expect(.argument, "topP") { _ = try prior.sample(topP: 0) }
    expect(.argument, "no class to push towards") { _ = try prior.sample(guidance: 2) }
    expect(.argument, "trained without classes") { _ = try prior.sample(ofClass: "cat") }
    expect(.argument, "16 x 16 tokens") {
      _ = try prior.bits(of: [Tokens(ids: [1, 2, 3, 4], rows: 2, columns: 2)])
    }
    expect(.argument, "below 1000") {
      _ = try prior.bits(of: [
        Tokens(ids: Array(repeating: 1000, count: 256), rows: 16, columns: 16)
      ])
    }
    expect(.badFile, "expected the run of a prior") {
      _ = try Prior(checkpoint: tokenizer.checkpoint)
    }
    expect(.notFound, "nowhere") { _ = try Prior(checkpoint: "nowhere") }
    expect(.argument, "threads") { _ = try Prior(checkpoint: prior.checkpoint, threads: 0) }
  }
}
