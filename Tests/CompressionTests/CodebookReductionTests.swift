import Compression
import TestSupport
import Testing

/// Smaller codebooks by all ways.
struct CodebookReductionTests {
  private static let dimension = 3
  private static let codes = HashedNumbers.values("codes", count: 40 * dimension)
  /// Every fourth code is never used; use falls with the id.
  private static let counts = (0..<40).map { $0 % 4 == 3 ? 0 : 1000 / ($0 + 1) }

  private static func distance(_ code: Int, _ other: [Float], _ id: Int) -> Double {
    (0..<dimension).reduce(0) { sum, channel in
      let difference =
        Double(codes[code * dimension + channel]) - Double(other[id * dimension + channel])
      return sum + difference * difference
    }
  }

  @Test(arguments: CodebookReduction.Method.allCases)
  func idsAreThoseOfTheNearestNewCodes(_ method: CodebookReduction.Method) {
    let reduced = CodebookReduction(
      method, of: Self.codes, dimension: Self.dimension, counts: Self.counts, size: 9)
    #expect(reduced.codes.count == 9 * Self.dimension && reduced.ids.count == 40)
    var sum = 0.0
    for (code, id) in reduced.ids.enumerated() {
      let own = Self.distance(code, reduced.codes, Int(id))
      for other in 0..<9 { #expect(own <= Self.distance(code, reduced.codes, other)) }
      sum += own * Double(Self.counts[code])
    }
    let mean = sum / Double(Self.counts.reduce(0, +))
    #expect(abs(mean - reduced.displacement) < 1e-9)
    if method != .kMeans {
      // Actual codes, which keep their ids' order and are not moved.
      for id in 0..<9 {
        let old = (0..<40).filter { Self.distance($0, reduced.codes, id) == 0 }
        #expect(old.count == 1 && reduced.ids[old[0]] == Int32(id))
      }
    }
  }

  @Test func dropping() {
    let reduced = CodebookReduction(
      .rarest, of: Self.codes, dimension: Self.dimension, counts: Self.counts, size: 4)
    #expect(reduced.codes == Array(Self.codes[0..<9] + Self.codes[12..<15]))
  }

  /// Merging starts at the codes used most and only gets better.
  @Test(arguments: [2, 5, 12, 29]) func mergingIsNoWorseThanDropping(_ size: Int) {
    func displacement(_ method: CodebookReduction.Method) -> Double {
      CodebookReduction(
        method, of: Self.codes, dimension: Self.dimension, counts: Self.counts, size: size
      ).displacement
    }
    #expect(displacement(.kMeans) <= displacement(.rarest) + 1e-12)
    #expect(displacement(.skeleton) < displacement(.rarest) * 3)
  }

  /// As many codes as are used lose nothing, in whichever way they are found.
  @Test(arguments: CodebookReduction.Method.allCases)
  func whatIsUsedIsKept(_ method: CodebookReduction.Method) {
    let used = Self.counts.count { $0 > 0 }
    let reduced = CodebookReduction(
      method, of: Self.codes, dimension: Self.dimension, counts: Self.counts, size: used)
    #expect(reduced.displacement < 1e-12)
    // And one more than that is a code that nobody uses.
    let more = CodebookReduction(
      method, of: Self.codes, dimension: Self.dimension, counts: Self.counts, size: used + 1)
    #expect(more.displacement < 1e-12 && more.codes.count == (used + 1) * Self.dimension)
  }
}
