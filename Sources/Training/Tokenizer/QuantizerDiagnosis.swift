import Files
import Configuration
import Diagnostics
import Evaluation
import Tokenizers

/// What the quantizer does to vectors and gradients, as lines of the log.
struct QuantizerDiagnosis {
  /// Vectors that spreads and ranks are taken of, at most: their covariance costs `d^2` each.
  private static let mostVectors = 2048

  let configuration: QuantizerConfiguration

  /// The line of codes since the last diagnosis: `kind` is "codes".
  ///
  /// - Parameters:
  ///   - probe: what the quantizer got in this step.
  ///   - revived: codes that were replaced, where any may be.
  func codes(
    _ window: CodeWindow, _ probe: QuantizerProbe, revived: Int?, step: Int
  ) -> JSONObject {
    let usage = window.usage
    var line = JSONObject([
      "kind": .string("codes"), "step": .integer(step), "codes": .integer(usage.codes),
      "tokens": .integer(usage.ids / configuration.depth), "ids": .integer(usage.ids),
      "usedCodes": .integer(usage.used), "deadCodes": .integer(usage.deadCodes),
    ])
    line.add("expectedUniformUsage", usage.expectedUniformUsage)
    line.add("perplexity", usage.perplexity)
    if let changes = window.changes {
      line["born"] = .integer(changes.born)
      line["died"] = .integer(changes.died)
    }
    if let revived { line["revived"] = .integer(revived) }
    if let levels = configuration.levels {
      let total = Double(max(1, usage.ids))
      line["levels"] = .array(
        LevelUse(usage, levels: levels).counts.map { channel in
          .digits(channel.map { Double($0) / total })
        })
    }
    if let levels = configuration.levels, let bound = configuration.chosen.saturatingBound {
      var saturation = LevelSaturation(levels: levels, bound: bound)
      saturation.add(UnsafeBufferPointer(probe.vectors))
      line["saturation"] = .digits(saturation.shares)
    }
    return line
  }

  /// The line of one batch's tokens: `kind` is "quantizer".
  func quantizer(_ probe: QuantizerProbe, step: Int) -> JSONObject {
    var line = JSONObject(["kind": .string("quantizer"), "step": .integer(step)])
    if let replacement = configuration.replacement { addAngles(to: &line, probe, replacement) }
    let latents = VectorSpread(some(of: probe.vectors, probe), dimension: probe.dimension)
    line.add("latentRank", latents.effectiveRank)
    line.add("latentStableRank", latents.stableRank)
    line.add("latentSpread", latents.relative)
    if configuration.replacement != nil {
      let codes = VectorSpread(distinct(probe), dimension: probe.dimension)
      line.add("codebookRank", codes.effectiveRank)
      line.add("codebookStableRank", codes.stableRank)
      line.add("codebookSpread", codes.relative)
    }
    addGradientRanks(to: &line, probe)
    return line
  }

  /// In how many directions the decoder pulls codes: ranks about zero, as a common pull is one too.
  private func addGradientRanks(to line: inout JSONObject, _ probe: QuantizerProbe) {
    var moments = VectorMoments(dimension: probe.dimension)
    moments.add(some(of: probe.gradients, probe))
    guard let eigenvalues = moments.secondMoments?.eigenvalues else { return }
    line.add("gradientRank", EffectiveRank.of(eigenvalues: eigenvalues))
    line.add("gradientStableRank", EffectiveRank.stable(eigenvalues: eigenvalues))
  }

  private func addAngles(
    to line: inout JSONObject, _ probe: QuantizerProbe,
    _ replacement: (gradient: CodebookConfiguration.Gradient, commitmentWeight: Double)
  ) {
    var angles = TokenAngles(estimator: replacement.gradient)
    angles.add(
      z: UnsafeBufferPointer(probe.vectors), q: UnsafeBufferPointer(probe.codes),
      gradient: UnsafeBufferPointer(probe.gradients),
      commitmentWeight: replacement.commitmentWeight, tokens: probe.tokens,
      dimension: probe.dimension)
    let summary = angles.summary
    line.add("lambda", summary.lambda)
    line.add("lambdaP5", summary.lambdaP5)
    line.add("lambdaP95", summary.lambdaP95)
    line.add("cosine", summary.cosine)
    line.add("cosineP5", summary.cosineP5)
    line.add("obtuse", summary.obtuse)
    line.add("fallbacks", summary.fallbacks)
    line.add("gradientCosine", summary.gradientCosine)
    line.add("gradientCosinePooled", summary.gradientCosinePooled)
    line.add("gradientKappa", summary.gradientKappa)
    line.add("commitmentRatio", summary.commitmentRatio)
    line.add("reconstructionGradient", summary.reconstructionGradient)
    line.add("vectorLength", summary.vectorLength)
    line.add("codeLength", summary.codeLength)
  }

  /// Vectors spread evenly over the batch.
  private func some(
    of block: UnsafeMutableBufferPointer<Float>, _ probe: QuantizerProbe
  ) -> [Float] {
    let count = min(probe.tokens, Self.mostVectors)
    return (0..<count).flatMap { index in
      let start = index * probe.tokens / count * probe.dimension
      return block[start..<start + probe.dimension]
    }
  }

  /// The codes that the batch used, each once.
  private func distinct(_ probe: QuantizerProbe) -> [Float] {
    var codes = Set<ArraySlice<Float>>()
    let all = Array(probe.codes)
    for start in stride(from: 0, to: all.count, by: probe.dimension) {
      codes.insert(all[start..<start + probe.dimension])
    }
    let sorted = codes.sorted { $0.lexicographicallyPrecedes($1) }
    let count = min(sorted.count, Self.mostVectors)
    return (0..<count).flatMap { sorted[$0 * sorted.count / count] }
  }
}
