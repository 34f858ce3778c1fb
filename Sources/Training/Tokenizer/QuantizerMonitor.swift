import Configuration
import Datasets
import Diagnostics
import Evaluation
import Execution
import Files
import Tokenizers

/// Watches what the quantizer does in each step: which codes are used, whether the codebook collapses,
/// and at diagnosed steps what happens to vectors and gradients.
final class QuantizerMonitor<B: Backend>: TrainingCallback {
  private let run: RunConfiguration
  private let keeper: CodebookKeeper<B>?
  private let tokens: TokenReader
  private let probe: QuantizerProbe?
  private let diagnosis: QuantizerDiagnosis
  private var window: CodeWindow
  /// One a depth of the tokens: another depth's codes do not make up for one that collapses.
  private var watches: [CodebookWatch]
  /// Codes that were replaced since the last diagnosis; nil where none ever is.
  private var revived: Int?
  /// How often codes were used by the last step's batch; nil where quantization is deferred.
  private var usage: DepthUsage?
  /// How often they were since the diagnosis before the last.
  private var diagnosedUsage: CodebookUsage

  /// Watches a run, whose codes `keeper` replaces; it updates them before this is told of a step.
  init(_ run: RunConfiguration, keeper: CodebookKeeper<B>?) {
    self.run = run
    self.keeper = keeper
    let quantizer = run.quantizer
    let side = run.data.imageSize / run.model.downsampling
    let count = run.training.batchSize * side * side
    tokens = TokenReader(tokens: count, codes: quantizer.codebookSize, depth: quantizer.depth)
    probe =
      run.monitor.quantizer
      ? QuantizerProbe(tokens: count, dimension: quantizer.codeDimension) : nil
    diagnosis = QuantizerDiagnosis(configuration: quantizer)
    window = CodeWindow(codes: quantizer.codebookSize)
    diagnosedUsage = window.usage
    watches = Self.watchNames(depth: quantizer.depth).map { _ in CodebookWatch() }
    if run.upkeep?.reviveEvery ?? 0 > 0 { revived = 0 }
  }

  func readers(ofStep step: Int) -> [any ReplayReader] {
    guard !run.defersQuantization(inStep: step) else { return [] }
    guard let probe, isDiagnosed(step) else { return [tokens] }
    return [tokens, probe]
  }

  private func isDiagnosed(_ step: Int) -> Bool {
    step.isMultiple(of: run.monitor.diagnoseEvery) || step == run.training.steps
  }

  func didUpdate(step: Int) {
    usage = run.defersQuantization(inStep: step) ? nil : tokens.usage
    guard let usage else { return }
    window.add(usage.pooled)
    for (depth, usage) in usage.depths.enumerated() {
      watches[depth].record(step: step, used: usage.used, ids: usage.ids, codes: usage.codes)
    }
    revived? += keeper?.revived ?? 0
  }

  var statistics: [String: Double] { usage.map { [StepReport.usageName: $0.pooled.usage] } ?? [:] }

  var counts: [String: Int] {
    usage.map {
      [StepReport.tokensName: $0.tokens, StepReport.idsName: $0.pooled.ids]
    } ?? [:]
  }

  var warning: String? {
    for (depth, watch) in watches.enumerated() {
      if let warning = watch.warning {
        return watches.count > 1 ? warning + " at depth \(depth + 1) of \(watches.count)" : warning
      }
    }
    return nil
  }

  // MARK: The log

  func diagnose(step: Int) -> [JSONObject] {
    diagnosedUsage = window.usage
    guard !run.defersQuantization(inStep: step) else { return [] }
    defer {
      window.close()
      if revived != nil { revived = 0 }
    }
    guard let probe else { return [] }
    return [
      diagnosis.codes(window, probe, revived: revived, step: step),
      diagnosis.quantizer(probe, step: step),
    ]
  }

  func didDiagnose(step: Int, _ diary: RunDiary) throws {
    try diary.record(diagnosedUsage, step: step)
  }

  // MARK: Checkpoints

  var numbers: [String: [Double]] {
    var numbers = window.state
    for (name, watch) in zip(Self.watchNames(depth: watches.count), watches) {
      numbers[name] = watch.state
    }
    if let revived { numbers["revived"] = [Double(revived)] }
    return numbers
  }

  /// What a state lacks begins here.
  func restore(_ numbers: [String: [Double]]) -> String? {
    window = CodeWindow(codes: window.usage.codes, state: numbers) ?? window
    for (depth, name) in Self.watchNames(depth: watches.count).enumerated() {
      watches[depth] = numbers[name].flatMap { CodebookWatch(state: $0) } ?? watches[depth]
    }
    if revived != nil { revived = numbers["revived"]?.first.flatMap { Int(exactly: $0) } ?? 0 }
    return nil
  }

  /// The names of the watches in a checkpoint.
  private static func watchNames(depth: Int) -> [String] {
    depth == 1 ? ["codebookWatch"] : (0..<depth).map { "codebookWatch.\($0)" }
  }
}

/// How often codes were used by the batches since the last diagnosis, and which came and went.
package struct CodeWindow {
  /// The usage over the window, ids of all depths together.
  package private(set) var usage: CodebookUsage
  /// The codes that the window before this one used, rising; nil in the first.
  private var before: [Int]?

  /// An empty window over a codebook.
  package init(codes: Int) { usage = CodebookUsage(codes: codes) }

  /// Adds a batch.
  package mutating func add(_ batch: CodebookUsage) { usage.merge(batch) }

  /// Codes used now and not in the window before, and the reverse; nil in the first window.
  package var changes: (born: Int, died: Int)? {
    guard let before else { return nil }
    let died = before.count { usage.count(of: $0) == 0 }
    return (born: usage.used - (before.count - died), died: died)
  }

  /// Begins the next window.
  package mutating func close() {
    before = usage.usedCodes
    usage = CodebookUsage(codes: usage.codes)
  }

  // MARK: Checkpoints

  /// The numbers that a continuation needs, by name: a count for every code of a small codebook and
  /// whether the window before used it; of a large one the used codes and their counts.
  package var state: [String: [Double]] {
    guard usage.codes > CodebookUsage.largestTable else {
      var flags: [Double] = []
      if let before {
        flags = Array(repeating: 0, count: usage.codes)
        for code in before { flags[code] = 1 }
      }
      return ["codes": usage.counts.map(Double.init) + flags]
    }
    var state = ["codes.used": usage.uses.flatMap { [Double($0.code), Double($0.count)] }]
    if let before { state["codes.before"] = before.map(Double.init) }
    return state
  }

  /// Continues from a state; nil if there is none of a codebook of this size.
  ///
  /// A count for every code is understood whatever the size of the codebook.
  package init?(codes: Int, state: [String: [Double]]) {
    if let used = state["codes.used"] {
      self.init(codes: codes, used: used, before: state["codes.before"])
    } else if let all = state["codes"] {
      self.init(codes: codes, all: all)
    } else {
      return nil
    }
  }

  private init?(codes: Int, all: [Double]) {
    guard all.count == codes || all.count == 2 * codes else { return nil }
    usage = CodebookUsage(codes: codes)
    for code in 0..<codes {
      guard let count = Int(exactly: all[code]), count >= 0, count < 1 << 53 else { return nil }
      usage.add(code, count: count)
    }
    if all.count > codes { before = (0..<codes).filter { all[codes + $0] != 0 } }
  }

  private init?(codes: Int, used: [Double], before: [Double]?) {
    guard used.count.isMultiple(of: 2) else { return nil }
    usage = CodebookUsage(codes: codes)
    for place in stride(from: 0, to: used.count, by: 2) {
      guard let code = Int(exactly: used[place]), (0..<codes).contains(code),
        let count = Int(exactly: used[place + 1]), count > 0, count < 1 << 53
      else { return nil }
      usage.add(code, count: count)
    }
    guard let before else { return }
    let codesBefore = before.compactMap { Int(exactly: $0) }.filter { (0..<codes).contains($0) }
    guard codesBefore.count == before.count,
      zip(codesBefore, codesBefore.dropFirst()).allSatisfy({ $0 < $1 })
    else { return nil }
    self.before = codesBefore
  }
}

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
