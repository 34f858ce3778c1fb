import Diagnostics
import Evaluation
import Testing

@Suite("Spread of vectors")
struct VectorSpreadTests {
  @Test("rank: even directions count whole, one direction is 1, none is 0")
  func rank() {
    #expect(abs(EffectiveRank.of(eigenvalues: [2, 2, 2]) - 3) < 1e-12)
    #expect(abs(EffectiveRank.of(eigenvalues: [5, 0, -1e-18]) - 1) < 1e-12)
    #expect(EffectiveRank.of(eigenvalues: [0, 0]) == 0)
    // H(3/4, 1/4) = 2 ln 2 - (3/4) ln 3.
    #expect(abs(EffectiveRank.of(eigenvalues: [3, 1]) - 1.7547653506033232) < 1e-12)
  }

  @Test("mean, variance and covariance of four points, however they are added")
  func moments() {
    var moments = VectorMoments(dimension: 2)
    moments.add([1, 2, 3, 2])
    moments.add([1, 6])
    moments.add([3, 6])
    #expect(moments.count == 4)
    #expect(moments.means == [2, 4])
    #expect(moments.variances == [1, 4])
    #expect(moments.covariance == SymmetricMatrix(size: 2, elements: [1, 0, 0, 4]))
  }

  @Test("a large common offset costs no digits")
  func offset() {
    let vectors: [Float] = [0, 0, 1, 1, 2, 2, 3, 3]
    let moved = vectors.map { $0 + 1_048_576 }
    let (spread, far) = (VectorSpread(vectors, dimension: 2), VectorSpread(moved, dimension: 2))
    #expect(far.variances == spread.variances)
    #expect(far.effectiveRank == spread.effectiveRank)
    #expect(abs(spread.effectiveRank! - 1) < 1e-9)
    #expect(far.relative < 1e-5 && spread.relative > 0.4)
  }

  @Test("length and deviation do what their names say, and scale")
  func lengths() {
    let spread = VectorSpread([3, 4, 3, 4, -3, -4, -3, -4], dimension: 2)
    #expect(abs(spread.length - 5) < 1e-12 && abs(spread.deviation - 5) < 1e-12)
    #expect(abs(spread.relative - 1) < 1e-12)
    let one = VectorSpread([3, 4], dimension: 2)
    #expect(one.deviation == 0 && one.relative == 0 && one.effectiveRank == 0)
    #expect(abs(one.length - 5) < 1e-12)
  }

  @Test("LR-7: the stable rank of a matrix and its effective rank by squares")
  func stableRank() {
    let columns: [[Double]] = [
      [4, 1, 0, 2, 1], [0, 3, 1, 2, -1], [2, -1, 5, 2, 0], [1, 2, -1, 2, 3],
    ]
    let gram = columns.flatMap { a in columns.map { dot(a, $0) } }
    let eigenvalues = SymmetricMatrix(size: 4, elements: gram).eigenvalues
    #expect(abs(EffectiveRank.stable(eigenvalues: eigenvalues) - 1.97457639821) < 1e-9)
    #expect(abs(EffectiveRank.of(eigenvalues: eigenvalues) - 3.08465699271) < 1e-9)
    #expect(EffectiveRank.stable(eigenvalues: [0, -1e-18]) == 0)
    // Rows of M about zero, not about their mean.
    var moments = VectorMoments(dimension: 4)
    moments.add((0..<5).flatMap { row in columns.map { Float($0[row]) } })
    let own = moments.secondMoments!.eigenvalues
    #expect(zip(own, eigenvalues).allSatisfy { abs($0 * 5 - $1) < 1e-9 })
    let spread = VectorSpread([1, 0, -1, 0, 0, 0.5, 0, -0.5], dimension: 2)
    #expect(abs(spread.stableRank! - 1.25) < 1e-12)
  }

  @Test("beyond 128 channels variances stay, the rank is not told")
  func many() {
    let vectors = (0..<200 * 3).map { Float($0 % 7) }
    let spread = VectorSpread(vectors, dimension: 200)
    #expect(spread.effectiveRank == nil)
    let first = [vectors[0], vectors[200], vectors[400]].map(Double.init)
    let mean = first.reduce(0, +) / 3
    let variance = first.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 3
    #expect(abs(spread.variances[0] - variance) < 1e-12)
  }

  @Test("mean colours: exact for flat images, the variance for others")
  func baseline() {
    var flat = MeanColourBaseline()
    #expect(flat.decibels == nil)
    flat.add([10, 20, 30, 10, 20, 30])
    #expect(flat.decibels == .infinity)
    var two = MeanColourBaseline()
    two.add([0, 0, 0, 255, 255, 255])
    // The mean 127.5 becomes 128: errors 128^2 and 127^2.
    #expect(abs(two.decibels! - 6.0205328) < 1e-6)
  }
}
