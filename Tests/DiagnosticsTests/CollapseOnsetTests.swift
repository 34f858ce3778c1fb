import Diagnostics
import Testing

@Suite("The onset of a collapse")
struct CollapseOnsetTests {
  typealias Diagnostic = CollapseOnset.Diagnostic

  /// A value every 20 steps from step 20 on.
  private static func every20(_ values: [Double]) -> CollapseOnset.Series {
    values.enumerated().map { (step: ($0.offset + 1) * 20, value: $0.element) }
  }
  private static func onset(_ series: [Diagnostic: [Double]], channels: Int = 8) -> CollapseOnset {
    CollapseOnset(series.mapValues(every20), channels: channels)
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
        == "usage fell below a quarter of a uniform code's at step 220; lambda had fallen below 0.3 at "
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
    #expect(onset.words.hasPrefix("usage was below a quarter of a uniform code's from its first"))
    let earlier = Self.onset([.usage: [0.9, 0.9, 0.1, 0.1], .lambda: [0.1, 0.1, 0.1, 0.1]])
    #expect(
      earlier.words.contains("lambda had been below 0.3 since its first measurement at step 20"))
  }

  @Test("nothing seen before, or nothing that fits a collapse: said so")
  func alone() {
    let alone = Self.onset([.usage: [0.9, 0.9, 0.1, 0.1], .lambda: [0.9, 0.9, 0.9, 0.9]])
    #expect(alone.words.hasSuffix("no other diagnostic had shown it before"))
    let sign = Self.onset([.usage: [0.9, 0.9, 0.9], .commitmentRatio: [1, 20, 30, 40]])
    #expect(sign.collapse == nil && sign.signs.map(\.diagnostic) == [.commitmentRatio])
    #expect(
      sign.words.hasPrefix(
        "beyond its limit to the end: the commitment gradient"))
  }

  @Test("without a fall of usage, perplexity or spread is the collapse")
  func otherCollapses() {
    #expect(
      Self.onset([.usage: [0.9, 0.9], .perplexity: [0.3, 0.01]]).collapse?.diagnostic == .perplexity
    )
    #expect(Self.onset([.latentSpread: [0.5, 0.01]]).collapse?.diagnostic == .latentSpread)
    #expect(Self.onset([.codebookSpread: [0.5, 0.01]]).collapse?.diagnostic == .codebookSpread)
  }

  @Test(
    "the limits, on both sides of each",
    arguments: [
      (Diagnostic.usage, 0.24, 0.26), (.perplexity, 0.04, 0.06), (.lambda, 0.29, 0.31),
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
}
