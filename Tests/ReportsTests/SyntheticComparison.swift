import Diagnostics
import Evaluation
import Reports

/// Runs as a page shows them, without a checkpoint behind them.
enum SyntheticComparison {
  static let round = VectorSpread(
    length: 1, deviation: 1, variances: [0.5, 0.5, 0.4], effectiveRank: 2.9)

  /// A run of vector quantization, token collapse where `used` is small.
  static func vector(used: Int = 40, codes: Int = 1000) -> EvaluatedRun {
    run(
      .vq(codes: codes, dimension: 3, gradient: "straight-through"),
      counts: (0..<codes).map { $0 < used ? 20_000 / ($0 + 1) : 0 },
      .vector(codebook: round, usedCodes: round))
  }

  /// A healthy run of finite scalar quantization.
  static func scalar() -> EvaluatedRun {
    let usage = CodebookUsage(counts: (0..<12).map { 1000 + 10 * $0 })
    return run(
      .fsq(levels: [4, 3], bound: "tanh"), counts: usage.counts,
      .finiteScalar(levels: LevelUse(usage, levels: [4, 3]), levelWidths: [0.6, 1]))
  }

  private static func run(
    _ quantizer: EvaluatedRun.Quantizer, counts: [Int], _ bottleneck: HealthEvidence.Bottleneck
  ) -> EvaluatedRun {
    let usage = CodebookUsage(counts: counts)
    return EvaluatedRun(
      quantizer: quantizer, imageSize: 32, images: 20, imagesTrainedOn: 0, usage: usage,
      bitsPerPixel: 0.25, psnr: 24.128, ssim: 0.91234, quantizationError: 0.01,
      parameters: 1_234_567, steps: 600, trainingRate: 600.5, evaluationRate: 900,
      evidence: HealthEvidence(
        codes: usage.codes, tokens: usage.tokens, used: usage.used, perplexity: usage.perplexity,
        latents: round, bottleneck: bottleneck, psnr: 24.128, baselinePSNR: 15, steps: 600,
        plannedSteps: 600, evaluations: []))
  }

  static func plane(codes: Int = 1000) -> CodePlane {
    CodePlane(
      vectors: (0..<3000).map { Float(($0 * 7919) % 97) / 97 },
      codebook: (0..<3 * codes).map { Float(($0 * 104_729) % 89) / 60 }, dimension: 3,
      counts: vector(codes: codes).usage.counts)
  }

  /// Many runs with names that begin alike.
  static func manyRuns(_ count: Int, steps: Int = 2000) -> ReportPage {
    let histories = [
      RunHistory(journal: SyntheticJournal.vector(steps: steps)),
      RunHistory(journal: SyntheticJournal.scalar(steps: steps)),
    ]
    let entries = (0..<count).map {
      Comparison.Entry(
        checkpoint: "runs/cifar10-vq-straight-through-\($0)",
        outcome: .evaluated($0.isMultiple(of: 2) ? vector() : scalar()))
    }
    return ReportPage(
      Comparison(entries: entries, evaluationProtocol: nil),
      details: (0..<count).map {
        RunDetails(history: histories[$0 % 2], plane: $0.isMultiple(of: 2) ? plane() : nil)
      })
  }

  /// The smallest PNG there is: its first bytes are enough for what is tested here.
  static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47]

  /// Two runs with everything, one with an old journal, one that failed.
  static func page(names: [String] = ["runs/vq", "runs/fsq", "runs/old", "runs/gone"]) -> ReportPage
  {
    let old = Array(
      (SyntheticJournal.line("step", 100, "\"loss\":0.1,\"usage\":0.05,\"tokens\":4096")
        + SyntheticJournal.line("evaluation", 100, "\"psnr\":20,\"ssim\":0.8")
        + SyntheticJournal.line("evaluation", 200, "\"psnr\":21,\"ssim\":0.81")).utf8)
    let row = ComparisonPictures.Row(reconstructions: [png, png], differences: [png, png])
    return ReportPage(
      Comparison(
        entries: [
          .init(checkpoint: names[0], outcome: .evaluated(vector())),
          .init(checkpoint: names[1], outcome: .evaluated(scalar())),
          .init(checkpoint: names[2], outcome: .evaluated(vector(used: 700))),
          .init(checkpoint: names[3], outcome: .failed(reason: "no <checkpoint> & nothing else")),
        ],
        evaluationProtocol: EvaluationProtocol(
          folder: "data/<test>", selection: "all its images", preparation: "not scaled",
          images: 20, sizes: [32])),
      details: [
        RunDetails(history: RunHistory(journal: SyntheticJournal.vector()), plane: plane()),
        RunDetails(
          history: RunHistory(journal: SyntheticJournal.scalar()),
          plane: CodePlane(digits: (0..<400).map { Float($0 % 31) / 12 }, levels: [4, 3])),
        RunDetails(history: RunHistory(journal: old)), nil,
      ],
      pictures: ComparisonPictures(
        originals: [png, png], amplification: 8, rows: [row, row, row, nil]))
  }
}
