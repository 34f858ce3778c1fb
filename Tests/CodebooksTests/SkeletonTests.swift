import Codebooks
import Randomness
import Testing

/// Skeletons, against numbers worked out elsewhere and the definition.
struct SkeletonTests {
  /// The columns of M = [[4,0,2,1],[1,3,-1,2],[0,1,5,-1],[2,2,2,2],[1,-1,0,3]].
  private static let columns: [[Double]] = [
    [4, 1, 0, 2, 1], [0, 3, 1, 2, -1], [2, -1, 5, 2, 0], [1, 2, -1, 2, 3],
  ]

  private static func expect(_ found: [Double], _ expected: [Double], _ tolerance: Double = 1e-9) {
    #expect(found.count == expected.count)
    #expect(zip(found, expected).allSatisfy { abs($0 - $1) < tolerance }, "\(found)")
  }

  @Test("LR-3: pivots, coefficients and errors of the interpolative decomposition")
  func decomposition() {
    let errors = [7.16609664856, 4.58409789254, 3.01283802792, 0]
    // LR-1: no three columns of anything come closer than the truncated singular values.
    let least = [6.66487837777, 4.04159622312, 2.16399958002, 0]
    let coefficients: [[[Double]]] = [
      [[0.323529411765, 0.176470588235, 1, -0.0294117647059]],
      [[0.344186046512, 0.186046511628, 1, 0], [0.702325581395, 0.325581395349, 0, 1]],
      [
        [0.348538011696, 0, 1, 0], [0.709941520468, 0, 0, 1], [-0.0233918128655, 1, 0, 0],
      ],
    ]
    for rank in 1...4 {
      let found = InterpolativeDecomposition(columns: Self.columns, rank: rank)
      #expect(found.skeleton == Array([2, 3, 1, 0].prefix(rank)))
      Self.expect(
        found.diagonal,
        Array([5.83095189485, 4.3555238761, 3.45401687288, 3.01283802792].prefix(rank)))
      #expect(abs(found.error - errors[rank - 1]) < 1e-9)
      #expect(found.error >= least[rank - 1] - 1e-9)
      if rank < 4 {
        for (row, expected) in zip(found.coefficients, coefficients[rank - 1]) {
          Self.expect(row, expected)
        }
      }
      #expect(abs(Self.residual(found) - found.error) < 1e-9, "the error is that of C Z")
    }
  }

  /// |M - C Z|_F by its definition.
  private static func residual(_ found: InterpolativeDecomposition) -> Double {
    var sum = 0.0
    for (column, numbers) in columns.enumerated() {
      for (row, number) in numbers.enumerated() {
        let made = found.skeleton.indices.reduce(0.0) {
          $0 + columns[found.skeleton[$1]][row] * found.coefficients[$1][column]
        }
        sum += (number - made) * (number - made)
      }
    }
    return sum.squareRoot()
  }

  @Test("LR-4: the longest column is taken, though another would leave less")
  func longestFirst() {
    let columns: [[Double]] = [[3, 0], [1, 2], [1.1, 2.1], [0.9, 1.9], [1, 2.2]]
    let found = InterpolativeDecomposition(columns: columns, rank: 1)
    #expect(found.skeleton == [0])
    #expect(abs(found.error - 4.10609303353) < 1e-9)
    let other = InterpolativeDecomposition(columns: [columns[2]] + columns, rank: 1)
    #expect(other.skeleton == [1], "the first of [1.1, 2.1] is still shorter than [3, 0]")
  }

  @Test("nearly dependent columns keep the directions orthogonal, and dependent ones end it")
  func dependent() {
    let columns: [[Double]] = [[1, 1e-7, 0], [1, 0, 1e-7], [1, 0, 0], [2, 1e-7, 1e-7]]
    let found = InterpolativeDecomposition(columns: columns, rank: 4)
    #expect(found.skeleton.count == 3 && found.error < 1e-15)
    let line = InterpolativeDecomposition(columns: [[1, 1], [2, 2], [-3, -3]], rank: 2)
    #expect(line.skeleton == [2])
  }

  @Test("the first round of codes is the decomposition, later ones are what codes leave")
  func rounds() {
    let vectors = Self.columns.flatMap { $0.map(Float.init) }
    #expect(SkeletonCodes.choose(3, of: vectors, dimension: 5) == [2, 3, 1])
    // Points on a line: the farthest from zero, then the other end, then the middle.
    let line: [Float] = [0, 1, 5, 2, 10, -9]
    #expect(SkeletonCodes.choose(3, of: line, dimension: 1) == [4, 5, 0])
  }

  @Test("a round's vectors are those that column-pivoted QR takes of differences to nearest codes")
  func twin() {
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
      chosen += InterpolativeDecomposition(columns: residuals, rank: 3).skeleton
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
