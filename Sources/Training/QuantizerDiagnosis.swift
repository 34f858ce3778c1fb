import Configuration
import Diagnostics
import Evaluation
import Tokenizers

/// What the quantizer does to vectors and gradients, as lines of the journal.
struct QuantizerDiagnosis {
  /// Vectors that spreads and ranks are taken of, at most: their covariance costs `d^2` each.
  private static let mostVectors = 2048

  let configuration: QuantizerConfiguration

  /// The line of codes since the last diagnosis: `kind` is "codes".
  ///
  /// - Parameter probe: what the quantizer got in this step.
  func codes(_ window: CodeWindow, _ probe: QuantizerProbe, step: Int) -> JSONObject {
    let usage = window.usage
    var line = JSONObject([
      "kind": .string("codes"), "step": .integer(step), "codes": .integer(usage.codes),
      "tokens": .integer(usage.tokens), "usedCodes": .integer(usage.used),
      "deadCodes": .integer(usage.deadCodes),
    ])
    line.add("expectedUniformUsage", usage.expectedUniformUsage)
    line.add("perplexity", usage.perplexity)
    if let changes = window.changes {
      line["born"] = .integer(changes.born)
      line["died"] = .integer(changes.died)
    }
    if case .fsq(let fsq) = configuration {
      let total = Double(max(1, usage.tokens))
      line["levels"] = .array(
        LevelUse(usage, levels: fsq.levels).counts.map { channel in
          .digits(channel.map { Double($0) / total })
        })
      var saturation = LevelSaturation(
        levels: fsq.levels,
        bound: fsq.bound == .tanh ? .tanh : fsq.bound == .ifsq ? .ifsq : .sigmoid)
      saturation.add(UnsafeBufferPointer(probe.latents))
      line["saturation"] = .digits(saturation.shares)
    }
    return line
  }

  /// The line of one batch's tokens: `kind` is "quantizer".
  func quantizer(_ probe: QuantizerProbe, step: Int) -> JSONObject {
    var line = JSONObject(["kind": .string("quantizer"), "step": .integer(step)])
    if case .vq(let vq) = configuration { addAngles(to: &line, probe, vq) }
    let latents = VectorSpread(some(of: probe.latents, probe), dimension: probe.dimension)
    line.add("latentRank", latents.effectiveRank)
    line.add("latentSpread", latents.relative)
    if case .vq = configuration {
      let codes = VectorSpread(distinct(probe), dimension: probe.dimension)
      line.add("codebookRank", codes.effectiveRank)
      line.add("codebookSpread", codes.relative)
    }
    return line
  }

  private func addAngles(
    to line: inout JSONObject, _ probe: QuantizerProbe, _ vq: VectorConfiguration
  ) {
    let estimator: TokenAngles.Estimator
    switch vq.gradient {
    case .straightThrough: estimator = .straightThrough
    case .rotation: estimator = .rotation
    case .unitRotation: estimator = .unitRotation
    // It hands on neither the gradient nor a rotation of it.
    case .diveq: return
    }
    var angles = TokenAngles(estimator: estimator)
    angles.add(
      z: UnsafeBufferPointer(probe.targets), q: UnsafeBufferPointer(probe.codes),
      gradient: UnsafeBufferPointer(probe.gradients), commitmentWeight: vq.commitmentWeight,
      tokens: probe.tokens, dimension: probe.dimension)
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
