import Diagnostics
import Evaluation
import Testing

@Suite("Use of levels")
struct LevelUseTests {
  @Test("digits of tokens, channel 0 least significant")
  func digits() {
    var usage = CodebookUsage(codes: 24)
    // With levels 4, 3, 2: 7 = 3 + 4 * 1 + 12 * 0, 22 = 2 + 4 * 2 + 12 * 1.
    usage.add([7, 7, 22])
    let use = LevelUse(usage, levels: [4, 3, 2])
    #expect(use.counts == [[0, 0, 1, 2], [0, 2, 1], [2, 1]])
    #expect(use.unused == [[0, 1], [0], []])
    #expect(abs(use.endShares[0] - 2.0 / 3) < 1e-12)
    #expect(abs(use.effectiveRank! - 1) < 1e-9, "two points lie on a line")
  }

  @Test("even use: all levels, full rank")
  func even() {
    let use = LevelUse(CodebookUsage(counts: Array(repeating: 5, count: 40)), levels: [8, 5])
    #expect(use.unused == [[], []])
    #expect(use.endShares == [0.25, 0.4])
    // Variances of 0...1 over 8 and over 5 levels: (L + 1) / (12 (L - 1)).
    let expected = EffectiveRank.of(eigenvalues: [9.0 / 84, 6.0 / 48])
    #expect(abs(use.effectiveRank! - expected) < 1e-9)
  }

  @Test("no tokens: nothing used, no rank")
  func nothing() {
    let use = LevelUse(CodebookUsage(codes: 6), levels: [3, 2])
    #expect(use.unused == [[0, 1, 2], [0, 1]])
    #expect(use.endShares == [0, 0] && use.effectiveRank == 0)
  }
}
