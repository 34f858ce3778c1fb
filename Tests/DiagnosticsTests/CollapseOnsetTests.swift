import Diagnostics
import Evaluation
import Testing

@Suite("The onset of a collapse")
struct CollapseOnsetTests {
  typealias Diagnostic = CollapseOnset.Diagnostic

  /// A value every 20 steps from step 20 on.
  private static func every20(_ values: [Double]) -> CollapseOnset.Series {
    values.enumerated().map { (step: ($0.offset + 1) * 20, value: $0.element) }
  }
  private static func onset(
    _ series: [Diagnostic: [Double]], channels: Int = 8, perplexity: Double = 2
  ) -> CollapseOnset {
    CollapseOnset(series.mapValues(every20), channels: channels, perplexity: perplexity)
  }

  /// Usage falls at step 220, lambda at 60, the angle at 140.
  private static let story = onset([
    .usage: Array(repeating: 0.9, count: 10) + [0.2, 0.1, 0.1],
    .lambda: [0.9, 0.5, 0.2] + Array(repeating: 0.1, count: 10),
    .cosine: Array(repeating: 0.8, count: 6) + Array(repeating: 0.4, count: 7),
    .obtuse: Array(repeating: 0.01, count: 13),
  ])

  @Test("each diagnostic's onset is the step from which on it stays beyond, the earliest first")
  func order() {
    #expect(Self.story.onsets.map(\.diagnostic) == [.lambda, .cosine, .usage])
    #expect(Self.story.onsets.map(\.step) == [60, 140, 220])
    #expect(Self.story.collapse?.diagnostic == .usage)
    #expect(Self.story.signs.map(\.diagnostic) == [.lambda, .cosine])
  }

  @Test("the story in words")
  func words() {
    #expect(
      Self.story.words
        == "usage fell below a quarter of uniform usage at step 220; lambda had fallen below 0.3 at "
        + "step 60, 160 steps before. Between the two: cos(z, q) below 0.5 (step 140)")
  }

  @Test("a run that recovers has no onset")
  func recovery() {
    let onset = Self.onset([.usage: [0.1, 0.1, 0.1, 0.5, 0.6, 0.7]])
    #expect(onset.onsets.isEmpty && onset.words.isEmpty && onset.judged == [.usage])
  }

  @Test("a run that recovers and falls again began with the second fall")
  func relapse() {
    let onset = Self.onset([.usage: [0.1, 0.1, 0.5, 0.5, 0.2, 0.2, 0.2]])
    #expect(onset.collapse?.step == 100)
  }

  @Test("a single stray is no recovery, and none is an onset")
  func strays() {
    #expect(Self.onset([.usage: [0.9, 0.9, 0.1, 0.1, 0.9, 0.1, 0.1]]).collapse?.step == 60)
    #expect(Self.onset([.usage: [0.9, 0.9, 0.1, 0.9, 0.9]]).onsets.isEmpty)
  }

  @Test("beyond from the first measurement on: said so")
  func sinceStart() throws {
    let onset = Self.onset([.usage: [0.2, 0.1, 0.1]])
    #expect(try #require(onset.collapse).sinceStart)
    #expect(onset.words.hasPrefix("usage was below a quarter of uniform usage from its first"))
    let earlier = Self.onset([.usage: [0.9, 0.9, 0.1, 0.1], .lambda: [0.1, 0.1, 0.1, 0.1]])
    #expect(
      earlier.words.contains("lambda had been below 0.3 since its first measurement at step 20"))
  }

  @Test("nothing seen before, or nothing that fits a collapse: said so")
  func alone() {
    let alone = Self.onset([.usage: [0.9, 0.9, 0.1, 0.1], .lambda: [0.9, 0.9, 0.9, 0.9]])
    #expect(alone.words.hasSuffix("no earlier warning sign"))
    let sign = Self.onset([.usage: [0.9, 0.9, 0.9], .commitmentRatio: [1, 20, 30, 40]])
    #expect(sign.collapse == nil && sign.signs.map(\.diagnostic) == [.commitmentRatio])
    #expect(
      sign.words.hasPrefix(
        "beyond its limit to the end: the commitment gradient"))
  }

  @Test("without a fall of usage, perplexity or spread is the collapse")
  func otherCollapses() {
    #expect(
      Self.onset([.usage: [0.9, 0.9], .perplexity: [30, 1.5]]).collapse?.diagnostic == .perplexity
    )
    #expect(Self.onset([.latentSpread: [0.5, 0.01]]).collapse?.diagnostic == .latentSpread)
    #expect(Self.onset([.codebookSpread: [0.5, 0.01]]).collapse?.diagnostic == .codebookSpread)
  }

  @Test(
    "the limits, on both sides of each",
    arguments: [
      (Diagnostic.usage, 0.24, 0.26), (.perplexity, 1.9, 2.1), (.warning, 1, 0),
      (.lambda, 0.29, 0.31),
      (.cosine, 0.49, 0.51), (.obtuse, 0.06, 0.04), (.commitmentRatio, 10.1, 9.9),
      (.latentRank, 1.19, 1.21), (.codebookRank, 1.19, 1.21), (.latentSpread, 0.04, 0.06),
      (.codebookSpread, 0.04, 0.06), (.quantizationError, 0.51, 0.49),
    ])
  func limits(diagnostic: Diagnostic, beyond: Double, within: Double) {
    #expect(Self.onset([diagnostic: [within, beyond]]).onsets.map(\.step) == [40])
    #expect(Self.onset([diagnostic: [beyond, within]]).onsets.isEmpty)
  }

  @Test("two channels have a lower limit of rank")
  func rank() {
    #expect(Self.onset([.latentRank: [1.15, 1.15]], channels: 2).onsets.isEmpty)
    #expect(!Self.onset([.latentRank: [1.15, 1.15]], channels: 3).onsets.isEmpty)
  }

  @Test("numbers that are none are passed over; no numbers, nothing judged")
  func missing() {
    let onset = Self.onset([.usage: [0.9, .nan, 0.1, .infinity, 0.1], .lambda: [.nan]])
    #expect(onset.collapse?.step == 60 && onset.judged == [.usage])
    #expect(CollapseOnset([:], channels: 1).onsets.isEmpty)
  }

  @Test("what was beyond its limit until the collapse is a sign, even if it came back later")
  func signsUpToTheCollapse() {
    let onset = Self.onset(
      [
        .usage: [0.9, 0.9, 0.9, 0.9, 0.2, 0.1, 0.1, 0.1, 0.1],
        .perplexity: [300, 300, 42, 30, 20, 60, 67, 67, 67],
        .warning: [0, 0, 0, 1, 1, 1, 0, 0, 0],
        .lambda: [0.2, 0.2, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9, 0.9],
      ], perplexity: 50)
    #expect(onset.collapse?.diagnostic == .usage && onset.collapse?.step == 100)
    #expect(onset.signs.map(\.diagnostic) == [.perplexity, .warning])
    #expect(onset.signs.map(\.step) == [60, 80])
    #expect(
      onset.words
        == "usage fell below a quarter of uniform usage at step 100; perplexity had fallen "
        + "below 50 at step 60, 40 steps before. Between the two: the training's warning (step 80)")
  }

  @Test("a warning of one depth is the collapse where nothing else shows it")
  func warning() {
    let onset = Self.onset([.usage: [0.9, 0.9, 0.9, 0.9], .warning: [0, 1, 1, 1]])
    #expect(onset.collapse?.diagnostic == .warning && onset.collapse?.step == 40)
    #expect(onset.words.hasPrefix("the training warned of it from step 40 on"))
  }

  /// Verdict and onset hold together for every size of codebook: what the one calls a collapse has the
  /// other, and what is healthy has neither.
  @Test(
    "every size of codebook",
    arguments: [2, 3, 4, 8, 16, 64, 256, 1024, 4096, 1 << 14, 1 << 16, 1 << 20, 1 << 24])
  func sizes(codes: Int) {
    let ids = 51_200
    let uniform = CodebookUsage.expectedUniformUsage(codes: codes, ids: ids) * Double(codes)
    func judged(used: Double, perplexity: Double) -> (CodebookHealth.Verdict, CollapseOnset) {
      let evidence = CodebookHealthTests.vector {
        ($0.codes, $0.ids, $0.used) = (codes, ids, max(1, Int(used.rounded())))
        ($0.perplexity, $0.quantizationError) = (perplexity, 0.6)
      }
      let healthy = [Double](repeating: 0.9, count: 5)
      let start = max(2, uniform / 2)
      let onset = Self.onset(
        [
          .usage: healthy + Array(repeating: used / uniform, count: 5),
          .perplexity: Array(repeating: start, count: 5) + Array(repeating: perplexity, count: 5),
        ],
        perplexity: CodebookHealth.collapsedPerplexity(codes: codes, uniform: uniform, used: used))
      return (CodebookHealth(judging: evidence).verdict, onset)
    }
    // Even use; a Zipf law; as even as half of it.
    let zipf = CodebookHealth.zipfPerplexity(codes: uniform)
    for (used, perplexity) in [
      (uniform, uniform), (uniform * 0.8, min(zipf, uniform)), (uniform * 0.6, max(1.5, zipf / 2)),
    ] where used >= 1.5 {
      let (verdict, onset) = judged(used: used, perplexity: perplexity)
      #expect(verdict == .healthy, "\(codes), \(used), \(perplexity)")
      #expect(onset.collapse == nil, "\(codes), \(used), \(perplexity): \(onset.words)")
    }
    // One code; a few; many of which a handful carries all, as 22 of 64 with a perplexity of 3.6.
    var collapsed = [(1.0, 1.0), (max(2, uniform * 0.35), 1 + 0.13 * min(1, Double(codes) / 16))]
    if codes >= 64 {
      collapsed += [(uniform * 0.1, uniform * 0.05), (uniform * 0.35, zipf * 0.13)]
    }
    for (used, perplexity) in collapsed {
      let (verdict, onset) = judged(used: used, perplexity: max(1, perplexity))
      #expect(verdict == .tokenCollapse, "\(codes), \(used), \(perplexity)")
      #expect(onset.collapse?.step == 120, "\(codes), \(used), \(perplexity)")
    }
  }
}
