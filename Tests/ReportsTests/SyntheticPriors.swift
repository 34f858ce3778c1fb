import Configuration
import Evaluation
import Files
import Foundation
import Reports

/// Priors and tokenizers with them, without folders behind them.
enum SyntheticPriors {
  /// A prior of a tokenizer, with its log's history.
  static func prior(
    of fingerprint: String, bits: Double = 6, budget: Double = 10, steps: Int = 400,
    tokens: (rows: Int, columns: Int) = (16, 16), classes: Int = 0, journal: [UInt8]? = nil
  ) -> (run: PriorRun, history: RunHistory) {
    let history = RunHistory(
      journal: journal ?? SyntheticJournal.prior(steps: steps, bits: bits, budget: budget))
    let run = PriorRun(
      tokens: .init(
        fingerprint: fingerprint, quantizer: "fsq", rows: tokens.rows, columns: tokens.columns,
        classes: classes),
      parameters: 5_000_000, steps: steps, history: history)
    return (run!, history)
  }

  /// A tokenizer of images of 256 tokens.
  static func tokenizer(_ fingerprint: String, psnr: Double) -> EvaluatedRun {
    var run = SyntheticComparison.scalar()
    run.fingerprint = fingerprint
    run.psnr = psnr
    run.usage = CodebookUsage(counts: Array(repeating: 1000, count: 11) + [1800])
    run.images = run.usage.ids / 256
    return run
  }

  /// The configuration of a prior.
  static func configuration(
    seed: Int, steps: Int = 400, width: Int = 256,
    file: String = "/home/somebody/tokens.safetensors"
  ) -> JSONObject {
    let text = """
      {"kind": "prior", "description": "x", "data": {"tokens": ["\(file)"], "validation": []},
       "model": {"width": \(width), "layers": 6},
       "training": {"steps": \(steps), "batchSize": 16, "lanes": \(seed + 1), "seed": \(seed)},
       "monitor": {"logEvery": \(seed + 1)}}
      """
    guard case .object(let object)? = try? JSONValue(parsing: text) else { return JSONObject() }
    return object
  }

  /// An entry of a prior.
  static func entry(_ checkpoint: String, _ run: PriorRun, _ configuration: JSONObject)
    -> Comparison.Entry
  {
    .init(checkpoint: checkpoint, outcome: .prior(run), configuration: configuration)
  }

  /// Two tokenizers; of the first two priors of two seeds, of the second one; a prior of neither.
  static let entries: [Comparison.Entry] = [
    .init(
      checkpoint: "runs/fsq", outcome: .evaluated(tokenizer("aa11", psnr: 24.5)),
      configuration: SyntheticComparison.configuration(type: "fsq")),
    .init(
      checkpoint: "runs/vq", outcome: .evaluated(tokenizer("bb22", psnr: 23.25)),
      configuration: SyntheticComparison.configuration(type: "vq", seed: 3)),
    entry("runs/prior-fsq-0", prior(of: "aa11").run, configuration(seed: 0)),
    entry("runs/prior-fsq-1", prior(of: "aa11", bits: 6.2).run, configuration(seed: 1)),
    entry("runs/prior-vq", prior(of: "bb22", bits: 4).run, configuration(seed: 0)),
    entry("runs/lonely", prior(of: "cc33").run, configuration(seed: 0)),
  ]

  /// All of them compared.
  static let comparison = Comparison(
    entries: entries,
    evaluationProtocol: .init(
      folder: "data/test", images: 20, of: 20, preparation: "not scaled", sizes: [32]))

  /// Their page, on which one prior has samples.
  static func page(_ comparison: Comparison = comparison) -> ReportPage {
    let details = comparison.entries.map { entry -> RunDetails? in
      guard entry.prior != nil || entry.run != nil else { return nil }
      guard let prior = entry.prior else {
        return SyntheticComparison.details(
          RunHistory(journal: SyntheticJournal.scalar()), nil,
          type: entry.checkpoint.hasSuffix("vq") ? "vq" : "fsq")
      }
      var details = RunDetails(
        history: RunHistory(
          journal: SyntheticJournal.prior(steps: prior.steps, bits: prior.bitsPerToken)))
      details.configuration = entry.configuration
      if entry.checkpoint.hasSuffix("prior-vq") { details.drawn = SyntheticComparison.png }
      return details
    }
    return ReportPage(comparison, details: details)
  }
}
