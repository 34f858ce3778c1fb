import FileTestSupport
import Files
import Foundation
import Testing

@Suite("compare with priors")
struct ComparePriorsTests {
  /// Priors of a few steps over the tokens of two tokenizers, made once for all tests.
  final class Runs: Sendable {
    let scratch: ScratchFolder
    let tokenizers: [String]
    func prior(_ name: String) -> String { scratch.file("checkpoints/\(name)") }

    init() throws {
      scratch = try ScratchFolder()
      try Self.expectSuccess(
        "scenes",
        ["--output", scratch.file("scenes"), "--count", "12", "--validation", "2", "--size", "32"])
      try scratch.write(
        """
        {"kind": "prior", "data": {"tokens": ["none"], "validationShare": 0.25},
         "model": {"width": 16, "layers": 1, "heads": 2},
         "training": {"steps": 2, "batchSize": 2},
         "monitor": {"logEvery": 1, "evaluateEvery": 2, "evaluationImages": 2}}
        """, to: "prior.json")
      let (fsq, residual) = (try TinyCheckpoint.of(.fsq), try TinyCheckpoint.of(.residual))
      tokenizers = [fsq.path, residual.path]
      for (name, tokenizer) in [("fsq", fsq), ("residual", residual)] {
        let encoded = try tokenizer.encode(
          [scratch.file("scenes/train")], to: scratch.file(name + ".safetensors"))
        try #require(encoded.code == 0, "\(encoded)")
      }
      try train("fsq-0", tokens: "fsq")
      try train("fsq-1", tokens: "fsq", ["--seed", "1"])
      try train("residual", tokens: "residual", ["--steps", "1"])
    }

    func train(_ name: String, tokens: String, _ options: [String] = []) throws {
      try Self.expectSuccess(
        "train",
        [
          "--config", scratch.file("prior.json"), "--data", scratch.file(tokens + ".safetensors"),
          "--output", prior(name), "--quiet",
        ] + options)
    }

    private static func expectSuccess(_ command: String, _ arguments: [String]) throws {
      let outcome = try CommandRunner.run(command, arguments)
      try #require(outcome.code == 0, "\(command): \(outcome)")
    }
  }

  private static let made: Result<Runs, any Error> = Result {
    // What is made for all tests lives to the end of the process.
    atexit {
      if let runs = try? ComparePriorsTests.made.get() {
        try? FileManager.default.removeItem(atPath: runs.scratch.path)
      }
    }
    return try Runs()
  }
  private let runs: Runs

  init() throws { runs = try Self.made.get() }

  @Test(
    "tokenizers with their priors: pairs by fingerprint, seeds, and that they were trained unlike")
  func pairs() throws {
    let (json, page) = (runs.scratch.file("pairs.json"), runs.scratch.file("pairs.html"))
    try runs.scratch.write(SampleImages.png(40, 30, number: 1), to: "checkpoints/fsq-1/samples.png")
    defer { try? FileManager.default.removeItem(atPath: runs.prior("fsq-1") + "/samples.png") }
    let outcome = try CommandRunner.run(
      "compare",
      [runs.prior("residual")] + runs.tokenizers
        + [runs.prior("fsq-0"), runs.prior("fsq-1"), "--json", json, "--html", page])
    #expect(outcome.code == 0, "\(outcome)")
    for words in [
      "Tokenizers with their priors", "bits/pixel, prior", "0/1",
      "fsq-0 and fsq-1 differ in their seeds alone",
      "training.steps 1 (residual), 2 (fsq-0 and fsq-1)",
    ] {
      #expect(
        outcome.output.split(whereSeparator: \.isWhitespace).joined(separator: " ").contains(words),
        "\(words): \(outcome)")
    }
    guard
      case .object(let root) = try JSONValue(parsing: String(contentsOfFile: json, encoding: .utf8)),
      case .array(let pairs)? = root["pairs"]
    else {
      Issue.record("no pairs")
      return
    }
    let named = pairs.compactMap { pair -> [JSONValue?]? in
      if case .object(let pair) = pair { [pair["tokenizer"], pair["prior"]] } else { nil }
    }
    #expect(
      named == [
        [.string(runs.tokenizers[1]), .string(runs.prior("residual"))],
        [.string(runs.tokenizers[0]), .string(runs.prior("fsq-0"))],
        [.string(runs.tokenizers[0]), .string(runs.prior("fsq-1"))],
      ])
    let html = try String(contentsOfFile: page, encoding: .utf8)
    #expect(html.contains("PSNR over bits/pixel") && html.contains("alt=\"samples of fsq-1\""))
    #expect(!html.contains(runs.scratch.path), "the page names a folder of this machine")
  }

  @Test("priors alone, without images; options about images are refused")
  func alone() throws {
    let priors = [runs.prior("fsq-0"), runs.prior("fsq-1")]
    let outcome = try CommandRunner.run("compare", priors)
    #expect(outcome.code == 0, "\(outcome)")
    for words in ["bits/token", "bigram", "fingerprint", "not among the runs"] {
      #expect(outcome.output.contains(words), "\(words): \(outcome)")
    }
    for options in [["--data", runs.scratch.file("scenes/train")], ["--images", "3"]] {
      let refused = try CommandRunner.run("compare", priors + options)
      #expect(refused.code == 64, "\(refused)")
      #expect(
        refused.errors.contains(
          "\(options[0]): expected a tokenizer to evaluate on images, found priors")
          && refused.errors.contains("remove \(options[0])"), "\(refused)")
    }
  }

  @Test(
    "a prior without an evaluation, without tokens.json, without a log: a sentence each, code 65")
  func damaged() throws {
    func copy(_ name: String) throws -> String {
      let folder = runs.prior(name)
      try FileManager.default.copyItem(atPath: runs.prior("fsq-0"), toPath: folder)
      return folder
    }
    let unevaluated = try copy("unevaluated")
    let log = try String(contentsOfFile: unevaluated + "/metrics.jsonl", encoding: .utf8)
    try log.split(separator: "\n").filter { !$0.contains("\"evaluation\"") }.joined(separator: "\n")
      .write(toFile: unevaluated + "/metrics.jsonl", atomically: true, encoding: .utf8)
    let (silent, nameless, garbled) = (
      try copy("silent"), try copy("nameless"), try copy("garbled")
    )
    try FileManager.default.removeItem(atPath: silent + "/metrics.jsonl")
    try FileManager.default.removeItem(atPath: nameless + "/tokens.json")
    try Data("{".utf8).write(to: URL(fileURLWithPath: garbled + "/tokens.json"))
    for (folder, words) in [
      (
        unevaluated,
        "expected an evaluation on held-out tokens in metrics.jsonl, found none up to step 2. Continue "
          + "the run: train --resume --output"
      ),
      (silent, "expected metrics.jsonl, which has the bits of held-out tokens, found none"),
      (
        nameless,
        "expected tokens.json, which names the tokenizer whose tokens the prior has learned"
      ),
      (garbled, "tokens.json: it does not say what tokens the prior has learned"),
    ] {
      let outcome = try CommandRunner.run("compare", [folder])
      #expect(outcome.code == 65 && outcome.errors.contains(words), "\(words): \(outcome)")
      let beside = try CommandRunner.run("compare", [folder, runs.prior("fsq-1")])
      #expect(beside.code == 65 && beside.output.contains("bigram"), "\(beside)")
      #expect(beside.output.contains("failed: "), "\(beside)")
    }
  }
}
