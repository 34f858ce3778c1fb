import Files
import Configuration
import Diagnostics
import Evaluation
import Foundation
import Reports
import Testing
import Tokenizers

/// Of every kind of quantizer what belongs to it is shown, in text, JSON and on the page.
@Suite("Quantizers in reports")
struct QuantizerPresentationTests {
  /// A kind with what its journal has, and the figures that its page must and must not have.
  struct Kind: Sendable, CustomTestStringConvertible {
    let made: any Quantizer
    let words: String
    let channels: Int
    let figures: [String]
    let foreign: [String]
    var quantizer: QuantizerPresentation { made.presentation }
    var testDescription: String { quantizer.kind }
  }

  private static let ofCodebooks = [
    "lambda, |q| / |z|", "cos(z, q)", "Obtuse share", "Rotation against straight-through",
    "Commitment over reconstruction gradient", "Effective rank of the used codes",
    "Spread of the used codes",
  ]
  private static let always = ["Effective rank of the vectors", "Quantization error"]
  private static let ofLevels = [
    "run: levels of each channel", "run: levels of each channel in training",
  ]
  private static let ofBits = [
    "run: share of ones in each bit", "run: share of ones in each bit in training",
    "Entropies, nats",
  ]

  private static func ofDepths(_ name: String) -> [String] {
    [
      "run: code frequencies of each \(name)", "run: perplexity of each \(name)",
      "run: perplexity of each \(name) over time", "run: used codes of each \(name) over time",
    ]
  }

  static let kinds: [Kind] = [
    Kind(
      made: FiniteScalarConfiguration(levels: [4, 3]), words: "fsq 4,3 tanh", channels: 2,
      figures: ofLevels + ["FSQ saturation"], foreign: ofCodebooks + ofBits),
    Kind(
      made: VectorConfiguration(codebookSize: 12, codeDimension: 3, gradient: .rotation),
      words: "vq 12x3 rotation",
      channels: 3, figures: ofCodebooks, foreign: ofLevels + ofBits + ["FSQ saturation"]),
    Kind(
      made: CosineConfiguration(codebookSize: 12, codeDimension: 3, gradient: .rotation),
      words: "cosine-vq 12x3 rotation", channels: 3, figures: ofCodebooks,
      foreign: ofLevels + ofBits + ["FSQ saturation"]),
    Kind(
      made: SimVQConfiguration(codebookSize: 12, codeDimension: 2, gradient: .rotation),
      words: "simvq 12x2 rotation", channels: 2, figures: ofCodebooks,
      foreign: ofLevels + ofBits + ["FSQ saturation"]),
    Kind(
      made: LookupFreeConfiguration(bits: 3), words: "lfq 3 bits", channels: 3, figures: ofBits,
      foreign: ofLevels + ofCodebooks + ["FSQ saturation"]),
    Kind(
      made: BinarySphericalConfiguration(bits: 3), words: "bsq 3 bits", channels: 3,
      figures: ofBits,
      foreign: ofLevels + ofCodebooks + ["FSQ saturation"]),
    Kind(
      made: ProductConfiguration(
        groups: 2, codebookSize: 12, codeDimension: 4, gradient: .rotation),
      words: "product-vq 2x12 rotation", channels: 4, figures: ofCodebooks + ofDepths("group"),
      foreign: ofLevels + ofBits),
    Kind(
      made: ResidualConfiguration(
        depth: 2, codebookSize: 12, codeDimension: 4, gradient: .rotation),
      words: "residual-vq 2x12 rotation", channels: 4, figures: ofDepths("depth"),
      foreign: ofLevels + ofBits + ofCodebooks),
    Kind(
      made: ResidualFiniteScalarConfiguration(depth: 2, levels: [4, 3]),
      words: "residual-fsq 2x12 tanh", channels: 2, figures: ofLevels + ofDepths("depth"),
      foreign: ofBits + ofCodebooks + ["FSQ saturation"]),
  ]

  /// A log with every key that any quantizer writes: the page must choose by kind, not by what is there.
  private static func history(_ kind: Kind) -> RunHistory {
    let levels =
      kind.quantizer.has(.bits)
      ? "[[0.4,0.6],[0.5,0.5],[0.9,0.1]]" : "[[0.1,0.4,0.4,0.1],[0.3,0.4,0.3]]"
    var text = ""
    for step in stride(from: 50, through: 300, by: 50) {
      text += SyntheticJournal.line(
        "step", step,
        "\"loss\":0.1,\"quantizationError\":0.02,\"entropyOfMean\":1.5,\"entropyOfVectors\":0.3")
      text += SyntheticJournal.line(
        "codes", step,
        "\"codes\":12,\"tokens\":1000,\"usedCodes\":11,\"deadCodes\":1,\"expectedUniformUsage\":1,"
          + "\"perplexity\":9,\"levels\":\(levels),\"saturation\":[0.1,0.2]")
      text += SyntheticJournal.line(
        "quantizer", step,
        "\"lambda\":0.9,\"lambdaP5\":0.5,\"lambdaP95\":1.1,\"cosine\":0.8,\"obtuse\":0.01,"
          + "\"commitmentRatio\":2,\"vectorLength\":1,\"latentRank\":1.7,\"latentSpread\":0.7,"
          + "\"codebookRank\":1.6,\"codebookSpread\":0.8,\"gradientCosine\":0.9")
      text += SyntheticJournal.line(
        "evaluation", step,
        "\"psnr\":\(20 + step / 100),\"usedCodesByDepth\":[12,7],\"perplexityByDepth\":[9.5,4.25]")
    }
    return RunHistory(journal: Array(text.utf8))
  }

  private static func run(_ kind: Kind) -> EvaluatedRun {
    let bits = kind.quantizer.has(.bits)
    let usage = CodebookUsage(counts: (0..<(bits ? 8 : 12)).map { 1000 + 10 * $0 })
    let spread = VectorSpread(
      length: 1, deviation: 1, variances: Array(repeating: 0.5, count: kind.channels),
      effectiveRank: 1.8)
    let isScalar = bits || kind.quantizer.has(.levels)
    var run = SyntheticComparison.run(
      kind.quantizer, counts: usage.counts,
      isScalar
        ? .finiteScalar(
          levels: LevelUse(usage, levels: bits ? [2, 2, 2] : [4, 3]), levelWidths: [])
        : .vector(codebook: spread, usedCodes: spread))
    run.evidence.latents = spread
    if kind.quantizer.depth > 1 {
      run.usageByDepth = [
        usage, CodebookUsage(counts: [500, 500] + Array(repeating: 0, count: 10)),
      ]
    }
    return run
  }

  @Test("the page has the figures that belong to the kind, and no others", arguments: kinds)
  func figures(kind: Kind) throws {
    let page = ReportPage(
      Comparison(
        entries: [.init(checkpoint: "run", outcome: .evaluated(Self.run(kind)))],
        evaluationProtocol: nil), details: [RunDetails(history: Self.history(kind))]
    ).html
    func heading(_ title: String) -> String {
      "<h3>" + title.replacingOccurrences(of: "|q|", with: "|q|") + "</h3>"
    }
    for title in kind.figures + Self.always { #expect(page.contains(heading(title)), "\(title)") }
    for title in kind.foreign { #expect(!page.contains(heading(title)), "\(title)") }
    #expect(page.contains(kind.words))
    // The limit of ranks is that of the channels that there are.
    let limit = kind.channels > 2 ? "[1.2," : "[1.1,"
    #expect(page.contains("\"references\":[\(limit)\"nearly a line\"]]"))
  }

  @Test("text and JSON tell what belongs to the kind", arguments: kinds)
  func texts(kind: Kind) throws {
    let comparison = Comparison(
      entries: [.init(checkpoint: "run", outcome: .evaluated(Self.run(kind)))],
      evaluationProtocol: nil)
    let text = comparison.text(width: 100)
    #expect(text.contains(kind.words))
    #expect(text.contains("used by depth") == (kind.quantizer.depth > 1))
    if kind.quantizer.depth > 1 { #expect(text.contains("12 2")) }
    let json = comparison.json
    #expect(json.contains("\"type\": \"\(kind.quantizer.kind)\""))
    for fact in kind.quantizer.facts.members {
      #expect(json.contains("\"\(fact.key)\": \(fact.value.compactText)"), "\(fact.key)")
    }
    #expect(json.contains("\"usedCodesByDepth\"") == (kind.quantizer.depth > 1))
    #expect(!kind.quantizer.remedy.isEmpty)
  }

  @Test("every kind is here, and named once")
  func all() {
    let names = Self.kinds.map(\.quantizer.kind)
    #expect(
      names == QuantizerConfiguration.standards.filter { !$0.isContinuous }.map(\.kind)
        && Set(names).count == names.count)
  }

  @Test("what is wrong decides what to do: train on, remedies of the kind, a lower rate")
  func nextActions() {
    func next(_ run: EvaluatedRun) -> Judgement {
      Judgement(.init(checkpoint: "x/run", outcome: .evaluated(run)), folder: "x/run")
    }
    let collapsed = next(SyntheticComparison.vector())
    #expect(collapsed.mark == .bad && collapsed.next.contains("quantizer.reviveEvery=50"))
    let healthy = next(SyntheticComparison.scalar())
    #expect(
      healthy.mark == .good && healthy.next.hasPrefix("Ready to use: encode --checkpoint x/run"))
    func evaluated(_ change: (inout HealthEvidence) -> Void, steps: Int) -> EvaluatedRun {
      let run = SyntheticComparison.scalar()
      var evidence = run.evidence
      evidence.steps = steps
      change(&evidence)
      return EvaluatedRun(
        quantizer: run.quantizer, imageSize: 32, images: 20, imagesTrainedOn: nil,
        usage: run.usage, bitsPerPixel: 1, psnr: run.psnr, ssim: 0.9, quantizationError: 0.1,
        parameters: 1, steps: steps, trainingRate: nil, evaluationRate: 1, evidence: evidence)
    }
    let improving = next(
      evaluated(
        { $0.evaluations = [.init(step: 300, psnr: 20), .init(step: 600, psnr: 24)] }, steps: 600))
    #expect(improving.mark == .open && improving.title == "still improving")
    #expect(improving.next == "Continue: train --resume --output x/run --steps 1200")
    let stopped = next(evaluated({ $0.plannedSteps = 5000 }, steps: 600))
    #expect(stopped.title == "too early to judge", "\(stopped)")
    #expect(stopped.next == "Continue: train --resume --output x/run")
    let narrow = next(
      evaluated(
        {
          $0.latents = VectorSpread(
            length: 1, deviation: 0.001, variances: [0, 0], effectiveRank: nil)
        }, steps: 600))
    #expect(
      narrow.title == "embedding collapse" && narrow.next.contains("learningRate"), "\(narrow)")
  }
}
