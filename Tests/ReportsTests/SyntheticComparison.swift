import Files
import Configuration
import Diagnostics
import Evaluation
import Foundation
import Reports
import Tokenizers

/// Runs as a page shows them, without a checkpoint behind them.
enum SyntheticComparison {
  static let round = VectorSpread(
    length: 1, deviation: 1, variances: [0.5, 0.5, 0.4], effectiveRank: 2.9)

  /// A run of vector quantization, codebook collapse where `used` is small.
  static func vector(used: Int = 40, codes: Int = 1000) -> EvaluatedRun {
    run(
      .vq(codes: codes),
      counts: (0..<codes).map { $0 < used ? 20_000 / ($0 + 1) : 0 },
      .vector(codebook: round, usedCodes: round))
  }

  /// A healthy run of finite scalar quantization.
  static func scalar() -> EvaluatedRun {
    let usage = CodebookUsage(counts: (0..<12).map { 1000 + 10 * $0 })
    return run(
      .fsq(levels: [4, 3]), counts: usage.counts,
      .finiteScalar(levels: LevelUse(usage, levels: [4, 3]), levelWidths: [0.6, 1]))
  }

  static func run(
    _ quantizer: QuantizerPresentation, counts: [Int], _ bottleneck: HealthEvidence.Bottleneck
  ) -> EvaluatedRun {
    let usage = CodebookUsage(counts: counts)
    return EvaluatedRun(
      quantizer: quantizer, imageSize: 32, images: 20, imagesTrainedOn: 0, usage: usage,
      bitsPerPixel: 0.25, psnr: 24.128, ssim: 0.91234, quantizationError: 0.01,
      parameters: 1_234_567, steps: 600, trainingRate: 600.5, evaluationRate: 900,
      evidence: HealthEvidence(
        codes: usage.codes, ids: usage.ids, used: usage.used, perplexity: usage.perplexity,
        latents: round, bottleneck: bottleneck, psnr: 24.128, baselinePSNR: 15, steps: 600,
        plannedSteps: 600, evaluations: []))
  }

  /// Layers of planted ranks: 2, none at all, one of a linear map, and full rank.
  static func spectra() -> [LayerSpectrum] {
    func layer(_ name: String, _ shape: LayerShape, _ weight: (Int) -> Float) -> LayerSpectrum? {
      LayerSpectrum(
        name, shape, weights: (0..<shape.count).map(weight), bothUnfoldings: true)
    }
    let wide = LayerShape(outputs: 64, inputs: 48, height: 3, width: 3)
    func noise(_ index: Int) -> Float {
      Float((index &* 7919 &+ index / 13 &* 104_729) % 997) / 997 - 0.5
    }
    return [
      layer("encoder.conv_in", LayerShape(outputs: 48, inputs: 3, height: 3, width: 3), noise),
      // Two columns times two rows.
      layer("encoder.down_blocks.0.resnets.0.conv1", wide) {
        let (output, place) = $0.quotientAndRemainder(dividingBy: 432)
        return noise(output) * noise(place) + noise(output + 99) * noise(place + 1000)
      },
      layer("encoder.down_blocks.0.resnets.0.conv2", wide) { _ in 0 },
      layer("quant_conv", LayerShape(outputs: 4, inputs: 4)) { $0 % 5 == 0 ? 1 : 0 },
      layer("decoder.conv_out", LayerShape(outputs: 3, inputs: 48, height: 3, width: 3), noise),
    ].compactMap { $0 }
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
        details(
          histories[$0 % 2], $0.isMultiple(of: 2) ? plane() : nil,
          type: $0.isMultiple(of: 2) ? "vq" : "fsq", seed: $0)
      })
  }

  /// Details with everything that a page shows.
  static func details(
    _ history: RunHistory, _ plane: CodePlane?, type: String, seed: Int = 0
  ) -> RunDetails {
    var details = RunDetails(history: history, plane: plane)
    details.configuration = configuration(type: type, seed: seed)
    details.listedImages = 1000
    details.imagePSNR = (0..<20).map { 20 + Double($0) / 2 }
    details.octaves = [(1, 0.6), (2, 0.3), (4, 0.1)]
    details.samples = [.init(step: 100, png: png), .init(step: 600, png: png)]
    return details
  }

  /// A configuration with the settings that a page shows.
  static func configuration(type: String, seed: Int = 0) -> JSONObject {
    let text = """
      {"description": "x", "data": {"train": "/home/somebody/photos", "imageSize": 32},
       "quantizer": {"type": "\(type)"},
       "training": {"steps": 600, "batchSize": 16, "lanes": 2, "seed": \(seed),
         "optimizer": {"learningRate": 0.001}, "schedule": {"type": "constant"}}}
      """
    guard case .object(let object)? = try? JSONValue(parsing: text) else { return JSONObject() }
    return object
  }

  /// The smallest PNG there is: its first bytes are enough for what is tested here.
  static let png: [UInt8] = [0x89, 0x50, 0x4E, 0x47]

  /// Two runs with everything, one with an old journal, one that failed.
  static func page(
    names: [String] = ["runs/vq", "runs/fsq", "runs/old", "runs/gone"], title: String? = nil,
    notes: String? = nil
  ) -> ReportPage {
    let old = Array(
      (SyntheticJournal.line("step", 100, "\"loss\":0.1,\"usage\":0.05,\"tokens\":4096")
        + SyntheticJournal.line("evaluation", 100, "\"psnr\":20,\"ssim\":0.8")
        + SyntheticJournal.line("evaluation", 200, "\"psnr\":21,\"ssim\":0.81")).utf8)
    func measured(_ run: EvaluatedRun) -> EvaluatedRun {
      var run = run
      run.spectra = spectra()
      return run
    }
    let made = ComparisonPictures.Reconstruction(
      png: png, difference: png, psnr: 27.5, tokens: .init(width: 2, depth: 1, ids: [1, 2, 2, 3]))
    let row = [made, made]
    return ReportPage(
      Comparison(
        entries: [
          .init(checkpoint: names[0], outcome: .evaluated(measured(vector()))),
          .init(checkpoint: names[1], outcome: .evaluated(measured(scalar()))),
          .init(checkpoint: names[2], outcome: .evaluated(measured(vector(used: 700)))),
          .init(checkpoint: names[3], outcome: .failed(reason: "no <checkpoint> & nothing else")),
        ],
        evaluationProtocol: EvaluationProtocol(
          folder: "data/<test>", images: 20, of: 20, preparation: "not scaled", sizes: [32])),
      details: [
        details(RunHistory(journal: SyntheticJournal.vector()), plane(), type: "vq"),
        details(
          RunHistory(journal: SyntheticJournal.scalar()),
          CodePlane(digits: (0..<400).map { Float($0 % 31) / 12 }, levels: [4, 3]), type: "fsq"),
        RunDetails(history: RunHistory(journal: old)), nil,
      ],
      pictures: ComparisonPictures(
        originals: [
          .init(name: "a<b>.png", note: "hardest", png: png), .init(name: "c.png", png: png),
        ], largestDifference: 32, judge: "vq", rows: [row, row, row, nil]),
      title: title, notes: notes, date: Date(timeIntervalSince1970: 1_800_000_000), version: "1.2")
  }
}

extension QuantizerPresentation {
  /// What reports show of finite scalar quantization.
  static func fsq(levels: [Int]) -> Self { FiniteScalarConfiguration(levels: levels).presentation }

  /// What reports show of a codebook.
  static func vq(codes: Int, dimension: Int = 3, gradient: GradientEstimator = .straightThrough)
    -> Self
  {
    VectorConfiguration(codebookSize: codes, codeDimension: dimension, gradient: gradient)
      .presentation
  }
}
