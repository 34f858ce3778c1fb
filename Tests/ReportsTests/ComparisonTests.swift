import Files
import Configuration
import Diagnostics
import Evaluation
import Reports
import Testing
import Tokenizers

@Suite("Comparisons")
struct ComparisonTests {
  private static let round = VectorSpread(
    length: 1, deviation: 1, variances: [0.5, 0.5], effectiveRank: 2)

  private static func run(
    _ quantizer: QuantizerPresentation, counts: [Int], _ bottleneck: HealthEvidence.Bottleneck,
    psnr: Double, imagesTrainedOn: Int? = 0, trainingRate: Double? = 81.25
  ) -> EvaluatedRun {
    let usage = CodebookUsage(counts: counts)
    return EvaluatedRun(
      quantizer: quantizer, imageSize: 32, images: 20, imagesTrainedOn: imagesTrainedOn,
      usage: usage, bitsPerPixel: 0.25, psnr: psnr, ssim: 0.91234, quantizationError: 0.01234,
      parameters: 1_234_567, steps: 2000, trainingRate: trainingRate, evaluationRate: 300.04,
      evidence: HealthEvidence(
        codes: usage.codes, ids: usage.ids, used: usage.used, perplexity: usage.perplexity,
        latents: round, bottleneck: bottleneck, psnr: psnr, baselinePSNR: 15, steps: 2000,
        plannedSteps: 2000,
        evaluations: []))
  }

  private static let comparison: Comparison = {
    let levels = LevelUse(CodebookUsage(counts: Array(repeating: 100, count: 16)), levels: [8, 2])
    let fsq = run(
      .fsq(levels: [8, 2]), counts: Array(repeating: 100, count: 16),
      .finiteScalar(levels: levels, levelWidths: [0.3, 2]), psnr: 24.128)
    let vq = run(
      .vq(codes: 64, dimension: 2),
      counts: [1500, 100] + Array(repeating: 0, count: 62),
      .vector(codebook: round, usedCodes: round), psnr: 20.5, imagesTrainedOn: 7,
      trainingRate: nil)
    return Comparison(
      entries: [
        .init(checkpoint: "checkpoints/fsq", outcome: .evaluated(fsq)),
        .init(checkpoint: "checkpoints/vq/", outcome: .evaluated(vq)),
        .init(checkpoint: "nowhere", outcome: .failed(reason: "nowhere: no checkpoint.")),
      ],
      evaluationProtocol: EvaluationProtocol(
        folder: "data/test", images: 20, of: 50, preparation: "not scaled", sizes: [32]))
  }()

  @Test("which images, in words, however few")
  func selection() {
    func words(_ images: Int, of total: Int, _ kind: String = "validation images") -> String {
      EvaluationProtocol(
        folder: "d", kind: kind, images: images, of: total, preparation: "", sizes: [8]
      ).selection
    }
    #expect(words(2, of: 3) == "2 of 3 validation images in d, evenly spaced")
    #expect(words(3, of: 3) == "all 3 validation images in d")
    #expect(words(1, of: 1) == "the only validation image in d")
    #expect(words(1, of: 1, "images held out by run") == "the only image held out by run in d")
  }

  @Test("the whole text, a run a column")
  func text() {
    #expect(
      Self.comparison.text(width: 100) == """
        run                           fsq                        vq  nowhere
        -------------------  ------------  ------------------------  -------
        verdict                   healthy         codebook collapse   failed
        quantizer            fsq 8,2 tanh  vq 64x2 straight-through        -
        codes K                        16                        64        -
        bits/token                   4.00                      6.00        -
        bits/pixel                  0.250                     0.250        -
        PSNR dB                     24.13                     20.50        -
        SSIM                       0.9123                    0.9123        -
        codes used                     16                         2        -
        usage                      100.0%                      3.1%        -
        uniform                    100.0%                    100.0%        -
        ids n                       1,600                     1,600        -
        perplexity                   16.0                       1.3        -
        dead codes                      0                        62        -
        error                      0.0123                    0.0123        -
        parameters              1,234,567                 1,234,567        -
        steps                       2,000                     2,000        -
        training images/s            81.2                         -        -
        evaluation images/s         300.0                     300.0        -

        fsq      healthy: codes, vectors and training show nothing amiss. Ready to use: encode --checkpoint
                 checkpoints/fsq --output tokens.safetensors IMAGES
        vq       codebook collapse: 2 of 64 codes used by 1600 tokens, where uniform sampling would show 64;
                 it was trained on 7 of these 20 images, which flatters its numbers. Train again, and use
                 EMA and dead-code revival: --set quantizer.codebookLearning=ema --set
                 quantizer.initialization=k-means --set quantizer.reviveEvery=50
        nowhere  failed: nowhere: no checkpoint.

        On 20 of 50 validation images in data/test, evenly spaced, 32x32 pixels. What the numbers mean:
           --explain
        """)
  }

  @Test("what the numbers mean is told where it is asked for")
  func explanation() {
    let text = Self.comparison.text(width: 100, explains: true)
    for words in [
      "1 - (1 - 1/K)^n", "10 log10(255^2 / MSE)", "evenly spaced", "embedding collapse:",
    ] {
      #expect(text.contains(words), "\(words)")
    }
    #expect(!Self.comparison.text(width: 100).contains("1 - (1 - 1/K)^n"))
    #expect(!text.contains("--explain"))
  }

  @Test("wide enough: a run a row")
  func wide() {
    let lines = Self.comparison.text(width: 300).split(separator: "\n")
    #expect(lines[0].hasPrefix("run      verdict            quantizer"))
    #expect(lines[2].hasPrefix("fsq      healthy            fsq 8,2 tanh"))
    #expect(lines[4].hasPrefix("nowhere  failed             -"))
  }

  @Test("folders of one name are told apart")
  func names() {
    let failed = Comparison.Outcome.failed(reason: "")
    let comparison = Comparison(
      entries: [
        .init(checkpoint: "a/run", outcome: failed), .init(checkpoint: "b/run", outcome: failed),
      ], evaluationProtocol: nil)
    #expect(comparison.names == ["a/run", "b/run"])
    func names(_ folders: [String]) -> [String] {
      Comparison(
        entries: folders.map { .init(checkpoint: $0, outcome: failed) }, evaluationProtocol: nil
      ).names
    }
    #expect(names(["/home/me/x/a/run", "/home/me/x/b/run"]) == ["a/run", "b/run"])
    #expect(names(["c/a", "c/a", "c/b"]) == ["c/a", "c/a (2)", "c/b"])
    #expect(names(["/"]) == ["/"])
    #expect(Self.comparison.names == ["fsq", "vq", "nowhere"])
  }

  @Test("runs of different image sizes are said to be")
  func sizes() throws {
    var evaluation = try #require(Self.comparison.evaluationProtocol)
    #expect(!evaluation.statements[0].words.contains("differ"))
    evaluation.sizes = [32, 64]
    #expect(evaluation.statements[0].words.contains("32x32, 64x64 pixels"))
    #expect(evaluation.statements[0].words.contains("The runs differ in image size"))
  }

  @Test("JSON: the documented keys, in their order")
  func json() throws {
    let root = try Self.object(JSONValue(parsing: Self.comparison.json))
    #expect(root.keys == ["format", "version", "protocol", "runs"])
    #expect(root["version"] == .integer(2))
    let evaluation = try Self.object(root["protocol"])
    #expect(
      evaluation.keys == [
        "folder", "selection", "preparation", "images", "available", "imageSizes", "definitions",
      ])
    #expect(
      try Self.object(evaluation["definitions"]).keys == [
        "images", "PSNR", "SSIM", "usage", "latents", "error", "speed", "verdict",
      ])
    guard case .array(let runs)? = root["runs"] else {
      Issue.record("runs is no list")
      return
    }
    let (fsq, vq, failed) = try (
      Self.object(runs[0]), Self.object(runs[1]), Self.object(runs[2])
    )
    let before = [
      "checkpoint", "error", "verdict", "findings", "remarks", "next", "collapse", "onsets",
      "quantizer", "imageSize", "images",
      "imagesTrainedOn", "codes", "bitsPerToken", "bitsPerPixel", "psnr", "ssim", "baselinePSNR",
      "usedCodes", "deadCodes", "usage", "expectedUniformUsage", "tokens", "ids", "perplexity",
      "entropyPerToken", "quantizationError", "latents",
    ]
    let after = [
      "parameters", "steps", "trainingImagesPerSecond", "evaluationImagesPerSecond",
    ]
    #expect(fsq.keys == before + ["levelCounts"] + after)
    #expect(vq.keys == before + ["codebook", "usedCodebook"] + after)
    #expect(failed.keys == ["checkpoint", "error"])
    #expect(fsq["error"] == .null && fsq["verdict"] == .string("healthy"))
    #expect(
      fsq["levelCounts"]
        == .array([
          .array(Array(repeating: .integer(200), count: 8)),
          .array([.integer(800), .integer(800)]),
        ]))
    #expect(vq["verdict"] == .string("codebook collapse"))
    #expect(vq["usedCodes"] == .integer(2) && vq["deadCodes"] == .integer(62))
    #expect(vq["imagesTrainedOn"] == .integer(7) && vq["trainingImagesPerSecond"] == .null)
    #expect(failed["error"] == .string("nowhere: no checkpoint."))
  }

  @Test("what is infinite becomes null: the JSON stays JSON")
  func infinite() throws {
    let exact = Self.run(
      .vq(codes: 2, dimension: 2, gradient: .rotation), counts: [800, 800],
      .vector(codebook: Self.round, usedCodes: Self.round), psnr: .infinity)
    let comparison = Comparison(
      entries: [.init(checkpoint: "a", outcome: .evaluated(exact))], evaluationProtocol: nil)
    let root = try Self.object(JSONValue(parsing: comparison.json))
    guard case .array(let runs)? = root["runs"] else {
      Issue.record("runs is no list")
      return
    }
    #expect(root["protocol"] == .null)
    #expect(try Self.object(runs[0])["psnr"] == .null)
    #expect(comparison.text(width: 100).contains("inf"))
  }

  @Test(
    "a collapse is told with its beginning, in words and in JSON; a healthy run's signs are not words"
  )
  func onset() throws {
    let steps = Array(stride(from: 50, through: 600, by: 50))
    let series: [CollapseOnset.Diagnostic: CollapseOnset.Series] = [
      .usage: steps.map { (step: $0, value: $0 < 300 ? 0.9 : 0.05) },
      .lambda: steps.map { (step: $0, value: $0 < 150 ? 0.8 : 0.1) },
    ]
    var run = SyntheticComparison.vector()
    func judgement(_ run: EvaluatedRun) -> Judgement {
      Judgement(.init(checkpoint: "a", outcome: .evaluated(run)), folder: "a")
    }
    #expect(judgement(run).story.isEmpty)
    run.onset = CollapseOnset(series, channels: 3)
    let words = judgement(run).words
    #expect(words.contains("; usage fell"), "\(words)")
    #expect(words.contains("at step 300") && words.contains("step 150"), "\(words)")
    var healthy = SyntheticComparison.scalar()
    healthy.onset = run.onset
    #expect(judgement(healthy).story.isEmpty)

    let comparison = Comparison(
      entries: [.init(checkpoint: "a", outcome: .evaluated(run))], evaluationProtocol: nil)
    #expect(comparison.text(width: 400).contains("at step 300"))
    let json = try Self.object(JSONValue(parsing: comparison.json))
    guard case .array(let runs)? = json["runs"], case .object(let object)? = runs.first else {
      Issue.record("no run")
      return
    }
    #expect(
      object["collapse"]
        == .object(JSONObject(["diagnostic": .string("usage"), "step": .integer(300)])))
    guard case .array(let onsets)? = object["onsets"] else {
      Issue.record("no onsets")
      return
    }
    #expect(
      onsets.first == .object(JSONObject(["diagnostic": .string("lambda"), "step": .integer(150)])))
  }

  private static func object(_ value: JSONValue?) throws -> JSONObject {
    guard case .object(let object)? = value else { throw NotAnObject() }
    return object
  }

  private struct NotAnObject: Error {}
}
