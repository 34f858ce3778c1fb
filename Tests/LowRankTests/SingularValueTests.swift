import LowRank
import Testing

/// Singular values against rotations, and what follows from them.
@Suite struct SingularValueTests {
  @Test("LR-1: singular values and the errors of truncation")
  func knownValues() throws {
    let factors = try SingularValueDecomposition(example)
    expect(factors.values, [6.75125145507, 5.29963241741, 3.41344486529, 2.16399958002])
    expect((1...3).map { factors.error(rank: $0) }, [6.66487837777, 4.04159622312, 2.16399958002])
    #expect(abs(factors.values.reduce(0) { $0 + $1 * $1 } - 90) < 1e-9)
    for rank in 1...4 {
      let (left, right) = try factors.factors(rank: rank)
      let rest = example.minus(left.times(right))
      #expect(abs(rest.frobeniusNorm - factors.error(rank: rank)) < 1e-12)
      let largest = try SingularValueDecomposition.values(of: rest)[0]
      #expect(abs(largest - (rank < 4 ? factors.values[rank] : 0)) < 1e-12)
      #expect(abs(left.frobeniusNorm - right.frobeniusNorm) < 1e-12)
    }
    #expect(factors.error(rank: 4) == 0 && factors.error(rank: 9) == 0)
  }

  /// Tall, wide, square, of one row, of one column, of one number.
  static let sizes = [(7, 3), (3, 7), (5, 5), (1, 6), (6, 1), (1, 1), (60, 20), (20, 60)]

  @Test(arguments: sizes) func twin(rows: Int, columns: Int) throws {
    let matrix = Matrix.random(rows, columns, seed: UInt64(rows * 100 + columns))
    let factors = try SingularValueDecomposition(matrix)
    let twin = JacobiDecomposition(matrix)
    expect(factors.values, twin.values, 1e-12)
    expect(try SingularValueDecomposition.values(of: matrix), twin.values, 1e-12)
    let size = factors.values.count
    #expect(factors.left.rows == rows && factors.left.columns == size)
    #expect(factors.right.rows == size && factors.right.columns == columns)
    let identity = Matrix(rows: size, columns: size) { $0 == $1 ? 1 : 0 }
    #expect(factors.left.transposed.times(factors.left).distance(identity) < 1e-13)
    #expect(factors.right.times(factors.right.transposed).distance(identity) < 1e-13)
    let scaled = Matrix(rows: rows, columns: size) { factors.left[$0, $1] * factors.values[$1] }
    #expect(scaled.times(factors.right).distance(matrix) < 1e-12)
    // Directions are the same but for the sign.
    for index in 0..<size {
      let cosine = (0..<columns).reduce(0) {
        $0 + twin.right[index][$1] * factors.right[index, $1]
      }
      #expect(abs(abs(cosine) - 1) < 1e-9)
    }
  }

  @Test(arguments: [(12, 8), (8, 12), (9, 9)])
  func noMatrixOfTheRankIsNearer(rows: Int, columns: Int) throws {
    let matrix = Matrix.random(rows, columns, seed: 77)
    let factors = try SingularValueDecomposition(matrix)
    for rank in 1...4 {
      let (left, right) = try factors.factors(rank: rank)
      let least = matrix.minus(left.times(right)).frobeniusNorm
      #expect(abs(least - factors.error(rank: rank)) < 1e-12)
      for seed in 0..<20 as Range<UInt64> {
        // The best with a random left factor, and a small step away from the best.
        let other = Matrix.random(rows, rank, seed: seed)
        let best = try LeastSquares.rightFactor(of: matrix, left: other)
        #expect(matrix.minus(other.times(best)).frobeniusNorm >= least - 1e-12)
        let moved = left.minus(other.scaled(by: 0.05))
        #expect(matrix.minus(moved.times(right)).frobeniusNorm >= least - 1e-12)
      }
    }
  }

  @Test func ranks() throws {
    let factors = try SingularValueDecomposition(
      Matrix(rows: 4, columns: 4) { $0 == $1 ? [4, 2, 1, 0][$0] : 0 })
    // Squares 16, 4, 1, 0 of 21.
    #expect(factors.rank(keepingEnergy: 0) == 1)
    #expect(factors.rank(keepingEnergy: 16.0 / 21 - 1e-9) == 1)
    #expect(factors.rank(keepingEnergy: 16.0 / 21 + 1e-9) == 2)
    #expect(factors.rank(keepingEnergy: 20.0 / 21 + 1e-9) == 3)
    #expect(factors.rank(keepingEnergy: 1) == 3)
    #expect(factors.rank() == 3 && factors.rank(tolerance: 0.3) == 2)
    let zero = try SingularValueDecomposition(Matrix(rows: 2, columns: 3) { _, _ in 0 })
    #expect(zero.values == [0, 0] && zero.rank(keepingEnergy: 0.9) == 1 && zero.rank() == 0)
    #expect(zero.pseudoInverse() == Matrix(rows: 3, columns: 2) { _, _ in 0 })
  }

  @Test func dependentColumns() throws {
    let narrow = Matrix.random(9, 3, seed: 4)
    let factors = try SingularValueDecomposition(narrow.times(.random(3, 6, seed: 5)))
    #expect(factors.rank() == 3 && factors.error(rank: 3) < 1e-13)
    let (left, right) = try factors.factors(rank: 6)
    #expect(left.isFinite && right.isFinite)
  }

  @Test(arguments: [Double.nan, .infinity, -.infinity]) func notFinite(number: Double) {
    var elements = example.elements
    elements[2 * 4 + 3] = number
    let matrix = Matrix(rows: 5, columns: 4, elements: elements)
    let error = LowRankError.notFinite(row: 2, column: 3)
    #expect(throws: error) { try SingularValueDecomposition(matrix) }
    #expect(throws: error) { try SingularValueDecomposition.values(of: matrix) }
    #expect(throws: error) { try EffectiveRank(of: matrix) }
    #expect(throws: error) { try InterpolativeDecomposition(of: matrix, rank: 2) }
    #expect(throws: error) { try InterpolativeDecomposition(of: matrix, skeleton: [0]) }
    #expect(throws: error) {
      try BlockInterpolativeDecomposition(of: matrix, groupSize: 2, rank: 1)
    }
    #expect(throws: error) { try LeastSquares.rightFactor(of: example, left: matrix) }
    #expect(throws: error) { try LeastSquares.rightFactor(of: matrix, left: example) }
    #expect(throws: error) { try LeastSquares.leftFactor(of: matrix, right: example) }
    #expect(throws: error) { try LeastSquares.leftFactor(of: example, right: matrix) }
  }

  @Test func impossibleRequests() throws {
    let none = Matrix(rows: 0, columns: 4, elements: [])
    #expect(throws: LowRankError.empty(rows: 0, columns: 4)) {
      try SingularValueDecomposition(none)
    }
    let factors = try SingularValueDecomposition(example)
    #expect(throws: LowRankError.rank(0, most: 4)) { try factors.factors(rank: 0) }
    #expect(throws: LowRankError.rank(5, most: 4)) { try factors.factors(rank: 5) }
    let found = LowRankError.rank(5, most: 4).description
    #expect(found == "expected a rank of 1 to 4, found 5. Choose one of those.")
  }

  @Test func extremeNumbers() throws {
    for scale in [1e-300, 1e-160, 1e160, 1e300] {
      let factors = try SingularValueDecomposition(example.scaled(by: scale))
      expect(
        factors.values.map { $0 / scale },
        [6.75125145507, 5.29963241741, 3.41344486529, 2.16399958002])
      let found = try InterpolativeDecomposition(of: example.scaled(by: scale), rank: 2)
      #expect(found.skeleton == [2, 3] && abs(found.error / scale - 4.58409789254) < 1e-9)
      #expect(abs(factors.pseudoInverse().times(example.scaled(by: scale))[1, 1] - 1) < 1e-9)
    }
  }

  @Test("LR-2: the pseudo-inverse and the best right factor")
  func leastSquares() throws {
    let left = example.selecting(columns: [0, 1])
    let inverse = try SingularValueDecomposition(left).pseudoInverse()
    expect(
      inverse.elements,
      [
        0.204081632653, -0.0102040816327, -0.0204081632653, 0.0612244897959, 0.0714285714286,
        -0.0816326530612, 0.204081632653, 0.0748299319728, 0.108843537415, -0.0952380952381,
      ])
    let right = try LeastSquares.rightFactor(of: example, left: left)
    expect(
      right.elements,
      [1, 0, 0.438775510204, 0.540816326531, 0, 1, 0.224489795918, 0.183673469388])
    #expect(abs(example.minus(left.times(right)).frobeniusNorm - 6.22044030202) < 1e-9)
    let turned = try LeastSquares.leftFactor(of: example.transposed, right: left.transposed)
    #expect(turned.distance(right.transposed) < 1e-12)
  }

  /// The four conditions of Penrose, of full and of lower rank.
  @Test(arguments: sizes) func pseudoInverse(rows: Int, columns: Int) throws {
    for rank in [min(rows, columns), max(1, min(rows, columns) / 2)] {
      let matrix = Matrix.random(rows, rank, seed: 8).times(.random(rank, columns, seed: 9))
      let inverse = try SingularValueDecomposition(matrix).pseudoInverse()
      let (left, right) = (matrix.times(inverse), inverse.times(matrix))
      let scale = max(1, matrix.frobeniusNorm * inverse.frobeniusNorm) * 1e-12
      #expect(left.times(matrix).distance(matrix) < scale * 10)
      #expect(right.times(inverse).distance(inverse) < scale * 10)
      #expect(left.transposed.distance(left) < scale && right.transposed.distance(right) < scale)
    }
  }

  /// The gradient of |AB - M|^2 vanishes: `2 A^T (A B - M)` for B, `2 (A B - M) B^T` for A.
  @Test func gradientsVanish() throws {
    let (matrix, a, b) = (
      Matrix.random(9, 7, seed: 10), Matrix.random(9, 3, seed: 11), Matrix.random(3, 7, seed: 12)
    )
    let right = try LeastSquares.rightFactor(of: matrix, left: a)
    #expect(a.transposed.times(a.times(right).minus(matrix)).frobeniusNorm < 1e-12)
    let left = try LeastSquares.leftFactor(of: matrix, right: b)
    #expect(left.times(b).minus(matrix).times(b.transposed).frobeniusNorm < 1e-12)
  }
}

/// Effective ranks of known singular values.
@Suite struct EffectiveRankTests {
  @Test("LR-7: all measures") func knownValues() throws {
    let found = try EffectiveRank(of: example, threshold: 0.1)
    #expect(found.count == 4)
    expect(
      [
        found.nuclear, found.stable, found.entropy, found.squaredEntropy,
        found.nuclearOverFrobenius,
      ],
      [2.6111200916, 1.97457639821, 3.68506443031, 3.08465699271, 3.45286621422])
  }

  @Test func equalAndSingleValues() throws {
    let equal = try EffectiveRank(singularValues: [3e200, 3e200, 3e200, 0])
    expect(
      [
        Double(equal.count), equal.nuclear, equal.stable, equal.entropy, equal.squaredEntropy,
        equal.nuclearOverFrobenius,
      ], [Double](repeating: 3, count: 6), 1e-12)
    let one = try EffectiveRank(singularValues: [1e-200])
    #expect(one.count == 1 && one.stable == 1 && one.entropy == 1 && one.nuclear == 1)
    let zero = try EffectiveRank(of: Matrix(rows: 2, columns: 2) { _, _ in 0 })
    #expect(zero.count == 0 && zero.stable == 0 && zero.entropy == 0 && zero.nuclear == 0)
    #expect(zero.squaredEntropy == 0 && zero.nuclearOverFrobenius == 0)
    #expect(try EffectiveRank(singularValues: []).count == 0)
    #expect(throws: LowRankError.notFinite(row: 0, column: 1)) {
      try EffectiveRank(singularValues: [1, .nan])
    }
  }

  /// 1 <= stable <= nuclear <= nuclear^2 / Frobenius^2 <= entropy <= rank.
  @Test func order() throws {
    for seed in 0..<20 as Range<UInt64> {
      let matrix = Matrix.decaying(12, 7, by: 0.6, seed: seed)
      let found = try EffectiveRank(of: matrix, threshold: 1e-12)
      #expect(1 <= found.stable && found.stable <= found.nuclear)
      #expect(found.nuclear <= found.nuclearOverFrobenius + 1e-12)
      #expect(found.nuclearOverFrobenius <= found.entropy + 1e-12)
      #expect(found.squaredEntropy <= found.entropy && found.entropy <= Double(found.count))
    }
  }
}
