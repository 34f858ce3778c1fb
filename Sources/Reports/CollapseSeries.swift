import Diagnostics
import Evaluation

extension CollapseOnset {
  /// The onsets in a run's history.
  ///
  /// Usage and perplexity are taken over the windows of the `codes` lines; where a journal has none,
  /// usage of single batches stands in for it.
  public init(_ history: RunHistory, of run: EvaluatedRun) {
    var series: [Diagnostic: RunHistory.Series] = [:]
    series[.usage] = Self.usage(history, codes: run.usage.codes)
    series[.perplexity] = history[.codes, "perplexity"].joined(
      history[.codes, "codes"].joined(history[.codes, "expectedUniformUsage"], *)
    ) { $1 > 0 ? $0 / $1 : .nan }
    if run.quantizer.has(.angles) {
      series[.lambda] = history[.quantizer, "lambda"]
      series[.cosine] = history[.quantizer, "cosine"]
      series[.obtuse] = history[.quantizer, "obtuse"]
      series[.commitmentRatio] = history[.quantizer, "commitmentRatio"]
      series[.latentSpread] = history[.quantizer, "latentSpread"]
      series[.codebookRank] = history[.quantizer, "codebookRank"]
      series[.codebookSpread] = history[.quantizer, "codebookSpread"]
      series[.quantizationError] = history[.step, "quantizationError"].joined(
        history[.quantizer, "vectorLength"]
      ) { $1 > 0 ? $0 / ($1 * $1) : .nan }
    }
    if run.evidence.latents.dimension > 1 {
      series[.latentRank] = history[.quantizer, "latentRank"]
    }
    self.init(
      series.mapValues { Array(zip($0.steps, $0.values)).map { (step: $0.0, value: $0.1) } },
      channels: run.evidence.latents.dimension)
  }

  private static func usage(_ history: RunHistory, codes: Int) -> RunHistory.Series {
    if history.hasWindows { return history.uniformUsage }
    return history[.step, "usage"].joined(history[.step, "tokens"]) { usage, tokens in
      guard tokens >= Double(CodebookHealth.Threshold.tokens), tokens < 1e12 else { return .nan }
      return usage / CodebookUsage.expectedUniformUsage(codes: codes, tokens: Int(tokens))
    }
  }
}
