import Diagnostics
import Evaluation

extension CollapseOnset {
  /// The onsets in a run's history.
  ///
  /// Usage and perplexity are taken over the windows of the `codes` lines; where a log has none,
  /// usage of single batches stands in for it.
  public init(_ history: RunHistory, of run: EvaluatedRun) {
    var series: [Diagnostic: RunHistory.Series] = [:]
    series[.usage] = Self.usage(history, codes: run.usage.codes)
    series[.perplexity] = history[.codes, "perplexity"]
    series[.warning] = Self.warnings(history)
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
      channels: run.evidence.latents.dimension, perplexity: Self.leastPerplexity(history))
  }

  /// The limit of perplexity for windows such as the last one.
  private static func leastPerplexity(_ history: RunHistory) -> Double {
    guard let codes = history[.codes, "codes"].last,
      let share = history[.codes, "expectedUniformUsage"].last,
      let used = history[.codes, "usedCodes"].last, codes >= 1, codes < 1e12
    else { return CodebookHealth.Threshold.leastPerplexity }
    return CodebookHealth.collapsedPerplexity(codes: Int(codes), uniform: share * codes, used: used)
  }

  /// 1 at the steps at which training warned of its codebook, 0 at the others; empty where it never did.
  private static func warnings(_ history: RunHistory) -> RunHistory.Series {
    let spans = history.warnings.filter { $0.kind.hasPrefix("codebook") }
    guard !spans.isEmpty else { return RunHistory.Series() }
    return history[.step, "loss"].byStep { step in
      spans.contains { $0.first <= step && step <= $0.last } ? 1 : 0
    }
  }

  private static func usage(_ history: RunHistory, codes: Int) -> RunHistory.Series {
    if history.hasWindows { return history.uniformUsage }
    // Journals of older versions count ids as tokens.
    let ids = history[.step, "ids"]
    return history[.step, "usage"].joined(ids.isEmpty ? history[.step, "tokens"] : ids) {
      usage, ids in
      guard ids >= Double(CodebookHealth.Threshold.ids), ids < 1e12 else { return .nan }
      return usage / CodebookUsage.expectedUniformUsage(codes: codes, ids: Int(ids))
    }
  }
}
