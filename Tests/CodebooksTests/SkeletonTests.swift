import Codebooks
import LowRank
import Randomness
import Testing

/// Codes by column-pivoted QR, against the definition.
struct SkeletonTests {
  /// The columns of M = [[4,0,2,1],[1,3,-1,2],[0,1,5,-1],[2,2,2,2],[1,-1,0,3]].
  private static let columns: [[Double]] = [
    [4, 1, 0, 2, 1], [0, 3, 1, 2, -1], [2, -1, 5, 2, 0], [1, 2, -1, 2, 3],
  ]

  @Test("the first round of codes is the decomposition, later ones are what codes leave")
  func rounds() {
    let vectors = Self.columns.flatMap { $0.map(Float.init) }
    #expect(SkeletonCodes.choose(3, of: vectors, dimension: 5) == [2, 3, 1])
    // Points on a line: the farthest from zero, then the other end, then the middle.
    let line: [Float] = [0, 1, 5, 2, 10, -9]
    #expect(SkeletonCodes.choose(3, of: line, dimension: 1) == [4, 5, 0])
  }

  @Test("a round's vectors are those that column-pivoted QR takes of differences to nearest codes")
  func twin() throws {
    var random = Generator(seed: 5)
    let vectors = (0..<60 * 3).map { _ in random.normal() }
    let rows = (0..<60).map { vector in
      (0..<3).map { Double(vectors[vector * 3 + $0]) }
    }
    var chosen: [Int] = []
    while chosen.count < 12 {
      let residuals = rows.map { row in
        let differences = chosen.map { code in zip(row, rows[code]).map { $0 - $1 } }
        return differences.min { a, b in
          a.reduce(0) { $0 + $1 * $1 } < b.reduce(0) { $0 + $1 * $1 }
        } ?? row
      }
      let columns = Matrix(rows: 3, columns: 60) { residuals[$1][$0] }
      chosen += try InterpolativeDecomposition(of: columns, rank: 3).skeleton
    }
    #expect(SkeletonCodes.choose(12, of: vectors, dimension: 3) == chosen)
  }

  @Test("codes are different vectors until there are no more")
  func allVectors() {
    let vectors = KMeansTests.mixture(6, each: 5, dimension: 3)
    let all = SkeletonCodes.choose(64, of: vectors, dimension: 3)
    #expect(all.count == 30 && Set(all).count == 30)
    // Six far clusters: six codes stand for all of them.
    let six = SkeletonCodes.choose(6, of: vectors, dimension: 3)
    #expect(Set(six.map { $0 % 6 }).count >= 5)
    #expect(SkeletonCodes.choose(4, of: [0, 0, 0, 0], dimension: 2) == [0])
  }
}
