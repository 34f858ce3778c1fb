import Evaluation
import Foundation
import Testing

/// Counts of codes, and the figures made of them.
struct CodebookUsageTests {
  // Three codes, tokens 0, 1, 2, 1: shares 1/4, 1/2, 1/4, entropy 1.5 bits.
  @Test func `four tokens over three codes`() {
    var usage = CodebookUsage(codes: 3)
    usage.add([0, 1, 2, 1] as [Int32])
    #expect(usage.counts == [1, 2, 1])
    #expect(usage.ids == 4 && usage.used == 3 && usage.deadCodes == 0)
    #expect(usage.usage == 1)
    #expect(abs(usage.perplexity - 2.82842712475) < 1e-10)
    #expect(abs(usage.expectedUniformUsage - (1 - pow(2.0 / 3, 4))) < 1e-12)
  }

  @Test func `no tokens, one code, and even use`() {
    let empty = CodebookUsage(codes: 5)
    #expect(empty.perplexity == 1 && empty.usage == 0)
    #expect(empty.expectedUniformUsage == 0 && empty.deadCodes == 5)
    let collapsed = CodebookUsage(counts: [0, 9, 0])
    #expect(collapsed.perplexity == 1 && collapsed.used == 1)
    let even = CodebookUsage(counts: [Int](repeating: 7, count: 1024))
    #expect(abs(even.perplexity - 1024) < 1e-8)
    let single = CodebookUsage(counts: [3])
    #expect(single.usage == 1 && single.expectedUniformUsage == 1)
  }

  @Test func `merging equals counting together`() {
    var whole = CodebookUsage(codes: 7)
    var parts = [CodebookUsage](repeating: CodebookUsage(codes: 7), count: 3)
    for index in 0..<50 {
      let token = Int32(index * index % 7)
      whole.add([token])
      parts[index % 3].add([token])
    }
    var merged = CodebookUsage(codes: 7)
    for part in parts { merged.merge(part) }
    #expect(merged == whole)
  }

  @Test func `the uniform expectation keeps its digits`() {
    func expected(_ codes: Int, _ tokens: Int) -> Double {
      CodebookUsage.expectedUniformUsage(codes: codes, ids: tokens)
    }
    // One token uses exactly one code.
    #expect(abs(expected(1 << 40, 1) * Double(1 << 40) - 1) < 1e-12)
    // As many tokens as codes: nearly 1 - 1/e.
    #expect(abs(expected(1 << 30, 1 << 30) - (1 - exp(-1))) < 1e-9)
    #expect(expected(16, 1_000_000) == 1)
    // Exactly: with K = 2 and n = 3, 7/8.
    #expect(abs(expected(2, 3) - 0.875) < 1e-15)
  }

  /// Beyond the largest table only used codes take memory, and everything counts alike.
  @Test func `large codebooks count alike`() {
    let codes = CodebookUsage.largestTable
    var (small, large) = (CodebookUsage(codes: codes), CodebookUsage(codes: 1 << 24))
    let ids = (0..<3000).map { Int32($0 * $0 % 1009 * 61) }
    small.add(ids)
    large.add(ids)
    #expect(small.used == large.used && small.ids == large.ids)
    #expect(small.perplexity.bitPattern == large.perplexity.bitPattern)
    #expect(
      small.usedCodes == large.usedCodes && large.usedCodes == Set(ids).map { Int($0) }.sorted())
    #expect(small.uses.map(\.count) == large.uses.map(\.count))
    #expect(large.deadCodes == (1 << 24) - large.used && large.count(of: 7) == small.count(of: 7))
    var twice = large
    twice.merge(large)
    #expect(twice.ids == 6000 && twice.used == large.used && twice.perplexity == large.perplexity)
    #expect(abs(large.expectedUniformUsage * Double(1 << 24) - 3000) < 1)
  }

  @Test func `tokens of several ids`() {
    var usage = DepthUsage(codes: 1 << 20, depth: 3)
    usage.add([1, 2, 3, 1, 5, 3] as [Int32])
    #expect(usage.tokens == 2 && usage.pooled.ids == 6 && usage.joined.ids == 6)
    #expect(usage.depths.map(\.used) == [1, 2, 1])
    #expect(usage.pooled.used == 4 && usage.joined.used == 4)
    #expect(usage.joined.codes == 3 << 20 && usage.joined.usedCodes[1] == (1 << 20) + 2)
  }
}
