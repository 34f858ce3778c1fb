import Diagnostics
import Evaluation
import Foundation
import Testing

@Suite("Codebook health")
struct CodebookHealthTests {
  typealias Verdict = CodebookHealth.Verdict
  private static let round = VectorSpread(
    length: 1, deviation: 1, variances: [0.25, 0.25, 0.25, 0.25], effectiveRank: 4)

  /// A healthy run of vector quantization.
  static func vector(
    _ change: (inout HealthEvidence) -> Void = { _ in }
  ) -> HealthEvidence {
    var evidence = HealthEvidence(
      codes: 1024, ids: 16384, used: 900, perplexity: 500, latents: round,
      bottleneck: .vector(codebook: round, usedCodes: round), psnr: 24, baselinePSNR: 15,
      steps: 2000, plannedSteps: 2000,
      evaluations: [
        .init(step: 500, psnr: 22), .init(step: 1000, psnr: 23.5), .init(step: 2000, psnr: 24),
      ])
    change(&evidence)
    return evidence
  }

  /// A healthy run of finite scalar quantization.
  static func scalar(
    counts: [[Int]] = [[1, 2, 2, 1], [2, 3, 2]], rank: Double = 2,
    deviations: [Double] = [1, 1], tokens: Int = 16384, used: Int = 12
  ) -> HealthEvidence {
    var evidence = vector()
    evidence.codes = 12
    evidence.used = used
    evidence.perplexity = Double(used)
    evidence.ids = tokens
    evidence.latents = spread(1, 1, variances: deviations.map { $0 * $0 })
    evidence.bottleneck = .finiteScalar(
      levels: LevelUse(counts: counts, effectiveRank: rank), levelWidths: [2.0 / 3, 1])
    return evidence
  }

  static func spread(
    _ length: Double, _ deviation: Double, rank: Double? = 4, variances: [Double]? = nil
  ) -> VectorSpread {
    VectorSpread(
      length: length, deviation: deviation,
      variances: variances ?? Array(repeating: deviation * deviation / 4, count: 4),
      effectiveRank: rank)
  }

  static let table: [(name: String, evidence: HealthEvidence, verdict: Verdict, says: String)] = [
    ("healthy vq", vector(), .healthy, "nothing amiss"),
    ("healthy fsq", scalar(), .healthy, "nothing amiss"),
    (
      "few codes",
      vector {
        $0.used = 20; $0.perplexity = 12
      }, .tokenCollapse, "20 of 1024 codes"
    ),
    ("just too few", vector { $0.used = 255 }, .tokenCollapse, "255 of 1024"),
    ("just enough", vector { $0.used = 256 }, .healthy, ""),
    (
      "few, but of few tokens",
      vector {
        $0.ids = 300; $0.used = 150; $0.perplexity = 90
      },
      .healthy, ""
    ),
    (
      "too few tokens",
      vector {
        $0.ids = 99; $0.used = 1; $0.perplexity = 1
      }, .healthy,
      "99 tokens are too few"
    ),
    (
      "just enough tokens",
      vector {
        $0.ids = 100; $0.used = 1; $0.perplexity = 1
      },
      .tokenCollapse, "1 of 1024"
    ),
    (
      "one code of two",
      vector {
        $0.codes = 2; $0.used = 1; $0.perplexity = 1
      }, .tokenCollapse, ""
    ),
    ("a low perplexity", vector { $0.perplexity = 44.9 }, .tokenCollapse, "900 used codes"),
    ("a perplexity at the limit", vector { $0.perplexity = 45 }, .healthy, ""),
    (
      "less than a bit",
      vector {
        $0.codes = 16; $0.used = 16; $0.perplexity = 1.99
      },
      .tokenCollapse, "perplexity"
    ),
    (
      "less than a bit of a small codebook",
      vector {
        $0.codes = 8; $0.used = 8; $0.perplexity = 1.99
      }, .healthy, ""
    ),
    (
      "few codes carry nearly all, and that badly",
      vector {
        $0.codes = 64; $0.used = 22; $0.perplexity = 3.57; $0.quantizationError = 0.46
      }, .tokenCollapse, "and leave 46% of the vectors' variance"
    ),
    (
      "few codes carry nearly all so far",
      vector {
        $0.codes = 64; $0.used = 22; $0.perplexity = 3.57; $0.quantizationError = 0.46
        $0.steps = 1000
      }, .underTrained, ""
    ),
    (
      "few codes carry nearly all, as there is little else",
      vector {
        $0.codes = 64; $0.used = 22; $0.perplexity = 3.57; $0.quantizationError = 0.25
      }, .healthy, ""
    ),
    (
      "a large error, with all codes in use",
      vector {
        $0.codes = 64; $0.used = 64; $0.perplexity = 43; $0.quantizationError = 0.5
      }, .healthy, ""
    ),
    (
      "a narrow codebook",
      vector {
        $0.used = 3
        $0.bottleneck = .vector(codebook: spread(0.01, 0.01), usedCodes: spread(0.01, 0.001))
      }, .tokenCollapse, "the codebook is narrow"
    ),
    (
      "a codebook far out",
      vector {
        $0.used = 1
        $0.bottleneck = .vector(codebook: spread(1000, 30), usedCodes: spread(1, 0, rank: 0))
      }, .tokenCollapse, "the codebook lies far out"
    ),
    (
      "vectors in one place", vector { $0.latents = spread(2, 0.098) }, .embeddingCollapse,
      "4.9% of their length"
    ),
    ("vectors nearly in one place", vector { $0.latents = spread(2, 0.1) }, .healthy, ""),
    (
      "vectors on a line", vector { $0.latents = spread(1, 1, rank: 1.19) }, .embeddingCollapse,
      "on a line"
    ),
    ("vectors in a narrow plane", vector { $0.latents = spread(1, 1, rank: 1.2) }, .healthy, ""),
    (
      "two channels need less",
      vector { $0.latents = spread(1, 1, rank: 1.1, variances: [1, 0.02]) }, .healthy, ""
    ),
    (
      "one channel is a line anyway",
      vector { $0.latents = spread(1, 1, rank: 1, variances: [1]) }, .healthy, ""
    ),
    ("too many channels to know", vector { $0.latents = spread(1, 1, rank: nil) }, .healthy, ""),
    (
      "both collapses: the encoder is the cause",
      vector {
        $0.latents = spread(1, 0.01); $0.used = 3
      }, .embeddingCollapse,
      "also codebook collapse: 3 of 1024"
    ),
    (
      "equal codes",
      vector { $0.bottleneck = .vector(codebook: round, usedCodes: spread(1, 0.04)) },
      .embeddingCollapse, "nearly equal"
    ),
    (
      "codes that are close for these vectors",
      vector { $0.bottleneck = .vector(codebook: round, usedCodes: spread(0.04, 0.04)) },
      .embeddingCollapse, "lie together"
    ),
    (
      "fsq within a level", scalar(deviations: [0.16, 0.24]), .embeddingCollapse, "24% of a level"
    ),
    ("fsq, one channel alive", scalar(deviations: [0.16, 0.26]), .healthy, ""),
    (
      "fsq, channels that repeat each other", scalar(rank: 1.05), .embeddingCollapse,
      "move together"
    ),
    (
      "fsq, a channel without use", scalar(counts: [[0, 9, 0, 0], [3, 3, 3]], used: 2),
      .tokenCollapse, "channel 0 stays on level 1 of 0...3"
    ),
    (
      "fsq, an unused level", scalar(counts: [[1, 2, 2, 0], [2, 3, 2]]), .healthy,
      "channel 0 never uses level 3 of 0...3"
    ),
    (
      "fsq, saturated", scalar(counts: [[41, 9, 9, 41], [2, 3, 2]]), .healthy,
      "channel 0 is saturated: 82%"
    ),
    ("fsq, nearly saturated", scalar(counts: [[40, 10, 10, 40], [9, 1, 9]]), .healthy, "amiss"),
    ("few steps", vector { $0.steps = 99 }, .underTrained, "only 99 steps"),
    (
      "stopped early",
      vector {
        $0.steps = 1799
        $0.used = 200
      }, .underTrained, "1799 of the run's 2000 steps were made; so far 200 of 1024"
    ),
    (
      "nearly done",
      vector {
        $0.steps = 1800
        $0.used = 200
      }, .tokenCollapse, "200 of 1024"
    ),
    (
      "early, but hardly any code",
      vector {
        $0.steps = 99
        $0.used = 102
      }, .tokenCollapse, "102 of 1024"
    ),
    (
      "early, and a few more codes",
      vector {
        $0.steps = 99
        $0.used = 103
      }, .underTrained, "so far 103 of 1024"
    ),
    ("enough steps", vector { ($0.steps, $0.plannedSteps) = (100, 100) }, .healthy, ""),
    ("worse than a colour", vector { $0.psnr = 14.9 }, .underTrained, "below the 15.00 dB"),
    (
      "still rising", vector { $0.evaluations[1] = .init(step: 1000, psnr: 22.9) }, .underTrained,
      "1.10 dB over the second half"
    ),
    (
      "collapse is graver than lack of training",
      vector {
        $0.steps = 5; $0.used = 3
      },
      .tokenCollapse, "also still improving: only 5 steps"
    ),
  ]

  @Test("numbers in, verdict and reasons out", arguments: table.indices)
  func verdicts(row: Int) {
    let (name, evidence, verdict, says) = Self.table[row]
    let health = CodebookHealth(judging: evidence)
    #expect(health.verdict == verdict, "\(name): \(health.words)")
    #expect(health.words.hasPrefix(verdict.rawValue + ": "), "\(name): \(health.words)")
    #expect(says.isEmpty || health.words.contains(says), "\(name): \(health.words)")
    #expect(health.findings.isEmpty == (verdict == .healthy), "\(name): \(health.findings)")
  }

  @Test("the gain of the second half, between evaluations and at their edges")
  func gain() {
    func gain(_ evaluations: [(Int, Double)]) -> Double? {
      Self.vector { $0.evaluations = evaluations.map { .init(step: $0.0, psnr: $0.1) } }
        .gainOfSecondHalf
    }
    #expect(gain([]) == nil)
    #expect(gain([(10, 20)]) == nil)
    #expect(gain([(50, 20), (100, 21)]) == 1)
    #expect(gain([(25, 20), (75, 22), (100, 23)]) == 2)
    #expect(gain([(80, 20), (100, 20.5)]) == 0.5)
  }

  @Test("the perplexity of a Zipf law is that of its sum", arguments: [16, 64, 1024, 65536])
  func zipfPerplexity(codes: Int) {
    let total = (1...codes).reduce(0) { $0 + 1 / Double($1) }
    let entropy = (1...codes).reduce(0.0) { sum, code in
      let share = 1 / (Double(code) * total)
      return sum - share * log(share)
    }
    let found = Self.vector { ($0.codes, $0.ids) = (codes, 1 << 30) }.zipfPerplexity
    #expect(abs(found / exp(entropy) - 1) < 0.01)
  }

  @Test("a Zipf law is not taken for a collapse", arguments: [64, 1024, 16384])
  func zipf(codes: Int) {
    let total = (1...codes).reduce(0) { $0 + 1 / Double($1) }
    for tokens in [codes, 10 * codes] {
      // The expected counts, rounded: what a sample would show on average.
      let counts = (1...codes).map {
        Int((Double(tokens) / (Double($0) * total)).rounded())
      }
      let evidence = Self.vector {
        let usage = CodebookUsage(counts: counts)
        ($0.codes, $0.ids) = (codes, usage.ids)
        ($0.used, $0.perplexity) = (usage.used, usage.perplexity)
      }
      let health = CodebookHealth(judging: evidence)
      #expect(health.verdict == .healthy, "\(codes), \(tokens): \(health.words)")
    }
  }

  @Test("one depth that collapses is a collapse, however many codes the others use")
  func depths() {
    let (good, bad) = (
      CodebookUsage(counts: Array(repeating: 25, count: 64)),
      CodebookUsage(counts: [1500, 100] + Array(repeating: 0, count: 62))
    )
    func judged(_ depths: [CodebookUsage]) -> CodebookHealth {
      CodebookHealth(
        judging: Self.vector {
          let usage = CodebookUsage(counts: depths.flatMap(\.counts))
          ($0.codes, $0.ids, $0.used) = (usage.codes, usage.ids, usage.used)
          ($0.perplexity, $0.depths) = (usage.perplexity, depths)
        })
    }
    #expect(judged([good, good, good]).verdict == .healthy)
    let health = judged([good, good, bad])
    #expect(health.verdict == .tokenCollapse)
    #expect(
      health.words.contains("at depth 3 of 3, 2 of 64 codes used by 1600 ids"), "\(health.words)")
  }
}
