import LowRank
import Randomness
import Testing

/// Skeletons of columns, against numbers worked out elsewhere, the definition, and every choice
/// there is.
@Suite struct InterpolativeTests {
  /// |M - C Z|_F by its definition.
  static func residual(_ matrix: Matrix, _ found: InterpolativeDecomposition) -> Double {
    matrix.minus(matrix.selecting(columns: found.skeleton).times(found.coefficients)).frobeniusNorm
  }

  @Test("LR-3: pivots, coefficients and errors")
  func decomposition() throws {
    let errors = [7.16609664856, 4.58409789254, 3.01283802792, 0]
    let coefficients: [[Double]] = [
      [0.323529411765, 0.176470588235, 1, -0.0294117647059],
      [0.344186046512, 0.186046511628, 1, 0, 0.702325581395, 0.325581395349, 0, 1],
      [
        0.348538011696, 0, 1, 0, 0.709941520468, 0, 0, 1, -0.0233918128655, 1, 0, 0,
      ],
    ]
    let values = try SingularValueDecomposition(example)
    for rank in 1...4 {
      let found = try InterpolativeDecomposition(of: example, rank: rank)
      #expect(found.skeleton == Array([2, 3, 1, 0].prefix(rank)))
      #expect(abs(found.error - errors[rank - 1]) < 1e-9)
      // LR-1: no columns of anything come closer than the truncated singular values.
      #expect(found.error >= values.error(rank: rank) - 1e-12)
      if rank < 4 {
        expect(found.coefficients.elements, coefficients[rank - 1])
        #expect(found.largestCoefficient == 1)
      }
      #expect(abs(Self.residual(example, found) - found.error) < 1e-12, "the error is that of C Z")
      let given = try InterpolativeDecomposition(of: example, skeleton: found.skeleton)
      #expect(given.coefficients.distance(found.coefficients) < 1e-12)
      #expect(abs(given.error - found.error) < 1e-12)
      #expect(abs(given.revealingFactor - found.revealingFactor) < 1e-9)
    }
  }

  @Test("LR-3: the diagonal of R, which bounds what is right of it")
  func diagonal() {
    var factors = PivotedGramSchmidt(example, keepingRows: true)
    while factors.takeNext() != nil {}
    #expect(factors.pivots == [2, 3, 1, 0])
    expect(factors.diagonal, [5.83095189485, 4.3555238761, 3.45401687288, 3.01283802792])
    #expect(factors.residualNorm == 0)
    let matrix = Matrix.random(8, 11, seed: 1)
    var random = PivotedGramSchmidt(matrix, keepingRows: true)
    while random.takeNext() != nil {}
    #expect(random.pivots.count == 8)
    for k in 0..<8 {
      for column in 0..<11 where !random.pivots.prefix(k).contains(column) {
        let below = (k..<8).reduce(0) { $0 + random.rows[$1][column] * random.rows[$1][column] }
        #expect(random.diagonal[k] * random.diagonal[k] >= below - 1e-12)
      }
    }
  }

  @Test("LR-3: the best of all choices")
  func exhaustive() throws {
    let best: [(Double, [Int])] = [
      (7.16609664856, [2]), (4.58409789254, [2, 3]), (2.92197771986, [0, 1, 2]),
    ]
    for (error, skeleton) in best {
      let (found, chosen) = try Self.best(example, rank: skeleton.count)
      #expect(chosen == skeleton && abs(found - error) < 1e-9)
    }
  }

  /// The least error over all skeletons, the first of equal ones.
  static func best(_ matrix: Matrix, rank: Int) throws -> (Double, [Int]) {
    func choices(_ rank: Int, from first: Int) -> [[Int]] {
      if rank == 0 { return [[]] }
      return (first..<matrix.columns).flatMap { column in
        choices(rank - 1, from: column + 1).map { [column] + $0 }
      }
    }
    var best = (Double.infinity, [Int]())
    for choice in choices(rank, from: 0) {
      let error = try InterpolativeDecomposition(of: matrix, skeleton: choice).error
      if error < best.0 - 1e-12 { best = (error, choice) }
    }
    return best
  }

  /// The column that leaves the least is taken next, whatever its length.
  static func greedy(_ matrix: Matrix, rank: Int) throws -> (Double, [Int]) {
    var best = (matrix.frobeniusNorm, [Int]())
    for _ in 0..<rank {
      var next = (Double.infinity, [Int]())
      for column in 0..<matrix.columns where !best.1.contains(column) {
        let skeleton = best.1 + [column]
        let error = try InterpolativeDecomposition(of: matrix, skeleton: skeleton).error
        if error < next.0 { next = (error, skeleton) }
      }
      best = next
    }
    return best
  }

  @Test("LR-4: the longest column is taken, though another would leave less")
  func longestFirst() throws {
    let matrix = Matrix([[3, 1, 1.1, 0.9, 1], [0, 2, 2.1, 1.9, 2.2]])
    expect(
      matrix.columnNorms, [3, 2.2360679775, 2.37065391823, 2.10237960416, 2.41660919472])
    let found = try InterpolativeDecomposition(of: matrix, rank: 1)
    #expect(found.skeleton == [0] && abs(found.error - 4.10609303353) < 1e-9)
    let errors = try (0..<5).map {
      try InterpolativeDecomposition(of: matrix, skeleton: [$0]).error
    }
    expect(errors, [4.10609303353, 2.68551671006, 2.6625917858, 2.7135657195, 2.7357601433])
    #expect(try Self.greedy(matrix, rank: 1).1 == [2])
  }

  @Test func choicesInOrderOfTheirErrors() throws {
    for seed in 0..<6 as Range<UInt64> {
      let matrix = Matrix.decaying(6, 7, by: 0.5, seed: seed)
      let values = try SingularValueDecomposition(matrix)
      for rank in 1...3 {
        let least = values.error(rank: rank)
        let best = try Self.best(matrix, rank: rank).0
        let greedy = try Self.greedy(matrix, rank: rank).0
        let pivoted = try InterpolativeDecomposition(of: matrix, rank: rank).error
        #expect(least <= best + 1e-12 && best <= greedy + 1e-12 && best <= pivoted + 1e-12)
      }
    }
  }

  @Test(arguments: [(7, 5), (5, 7), (200, 12), (12, 60), (1, 4), (4, 1), (1, 1)])
  func errorsAndBounds(rows: Int, columns: Int) throws {
    let matrix = Matrix.decaying(rows, columns, by: 0.7, seed: 3)
    let values = try SingularValueDecomposition(matrix)
    for rank in 1...min(rows, columns) {
      let found = try InterpolativeDecomposition(of: matrix, rank: rank)
      let rest = matrix.minus(
        matrix.selecting(columns: found.skeleton).times(found.coefficients))
      let scale = 1e-13 * max(1, matrix.frobeniusNorm)
      #expect(abs(found.error - rest.frobeniusNorm) < scale)
      #expect(found.error >= values.error(rank: rank) - scale)
      // What the factor promises, and what no choice can be worse than.
      let next = rank < values.values.count ? values.values[rank] : 0
      let spectral = try SingularValueDecomposition.values(of: rest)[0]
      #expect(spectral <= found.spectralBound(next: next) + scale)
      var worst = Double(columns - rank).squareRoot() * next
      for _ in 0..<rank { worst *= 2 }
      #expect(spectral <= worst + scale)
      let others = (0..<columns).filter { !found.skeleton.contains($0) }
      let outside = found.coefficients.selecting(columns: others).elements.map(\.magnitude).max()
      #expect(found.revealingFactor >= (outside ?? 0) - 1e-12)
    }
  }

  /// A column that no other resembles, and an R_11 that is nearly singular: coefficients are 0, and
  /// yet the error is far from the singular value.
  @Test func coefficientsAloneBoundNothing() throws {
    let matrix = Matrix([[1e-6, 0], [0, 1]])
    let found = try InterpolativeDecomposition(of: matrix, skeleton: [0])
    #expect(found.coefficients.elements == [1, 0] && found.error == 1)
    #expect(abs(found.revealingFactor / 1e6 - 1) < 1e-9)
    #expect(found.spectralBound(next: 1e-6) >= 1)
  }

  @Test("nearly dependent columns keep the directions orthogonal, and dependent ones end it")
  func dependent() throws {
    let columns = Matrix([[1, 1e-7, 0], [1, 0, 1e-7], [1, 0, 0], [2, 1e-7, 1e-7]]).transposed
    let found = try InterpolativeDecomposition(of: columns, rank: 4)
    #expect(found.skeleton.count == 3 && found.error < 1e-15)
    let line = Matrix([[1, 1], [2, 2], [-3, -3]]).transposed
    #expect(try InterpolativeDecomposition(of: line, rank: 2).skeleton == [2])
    let given = try InterpolativeDecomposition(of: line, skeleton: [0, 2])
    #expect(given.error < 1e-14 && given.revealingFactor == .infinity)
    let zero = Matrix(rows: 3, columns: 2) { _, _ in 0 }
    let nothing = try InterpolativeDecomposition(of: zero, rank: 2)
    #expect(nothing.skeleton.isEmpty && nothing.error == 0 && nothing.coefficients.rows == 0)
    #expect(try InterpolativeDecomposition(of: zero, skeleton: [1]).error == 0)
  }

  /// Equal columns in a matrix of many rows, whose triangle differs by rounding.
  @Test func tiesGoToTheFirst() throws {
    let narrow = Matrix.random(500, 3, seed: 6)
    let matrix = narrow.selecting(columns: [1, 0, 2, 0, 1, 2])
    let found = try InterpolativeDecomposition(of: matrix, rank: 3)
    #expect(Set(found.skeleton) == [0, 1, 2] && found.error < 1e-12)
  }

  /// The triangle has the pivots and coefficients of the matrix.
  @Test func manyRows() throws {
    let matrix = Matrix.decaying(3000, 40, by: 0.8, seed: 7)
    var factors = PivotedGramSchmidt(matrix, keepingRows: false)
    while factors.pivots.count < 25, factors.takeNext() != nil {}
    let found = try InterpolativeDecomposition(of: matrix, rank: 25)
    #expect(found.skeleton == factors.pivots)
    #expect(abs(found.error / factors.residualNorm - 1) < 1e-9)
    let best = try LeastSquares.rightFactor(
      of: matrix, left: matrix.selecting(columns: found.skeleton))
    #expect(found.coefficients.distance(best) < 1e-9)
  }

  @Test func weights() throws {
    let ones = try InterpolativeDecomposition(of: example, rank: 2, weights: [1, 1, 1, 1])
    #expect(ones.skeleton == [2, 3] && abs(ones.error - 4.58409789254) < 1e-9)
    // The first column counts most, the third not at all.
    let weights = [10.0, 1, 0, 1]
    let found = try InterpolativeDecomposition(of: example, rank: 2, weights: weights)
    #expect(found.skeleton == [0, 1])
    let rest = example.minus(
      example.selecting(columns: found.skeleton).times(found.coefficients))
    let weighted = Matrix(rows: 5, columns: 4) { rest[$0, $1] * weights[$1] }
    #expect(abs(found.error - weighted.frobeniusNorm) < 1e-12)
    let three = try InterpolativeDecomposition(of: example, rank: 4, weights: weights)
    #expect(three.skeleton.count == 3 && three.error < 1e-12, "none of weight 0")
    #expect(throws: LowRankError.weights(count: 3, columns: 4)) {
      try InterpolativeDecomposition(of: example, rank: 2, weights: [1, 1, 1])
    }
    #expect(throws: LowRankError.weights(count: 4, columns: 4)) {
      try InterpolativeDecomposition(of: example, rank: 2, weights: [1, -1, 1, 1])
    }
  }

  @Test func impossibleRequests() {
    #expect(throws: LowRankError.rank(0, most: 4)) {
      try InterpolativeDecomposition(of: example, rank: 0)
    }
    #expect(throws: LowRankError.rank(5, most: 4)) {
      try InterpolativeDecomposition(of: example, rank: 5)
    }
    #expect(throws: LowRankError.index(4, count: 4)) {
      try InterpolativeDecomposition(of: example, skeleton: [0, 4])
    }
    #expect(throws: LowRankError.groups(size: 3, columns: 4)) {
      try BlockInterpolativeDecomposition(of: example, groupSize: 3, rank: 1)
    }
    #expect(throws: LowRankError.rank(3, most: 2)) {
      try BlockInterpolativeDecomposition(of: example, groupSize: 2, rank: 3)
    }
  }

  // MARK: Groups

  /// Groups by the definition: the one whose columns are farthest from the span of those taken.
  static func groups(_ matrix: Matrix, size: Int, rank: Int) throws -> [Int] {
    var taken: [Int] = []
    for _ in 0..<rank {
      let columns = taken.flatMap { $0 * size..<($0 + 1) * size }
      var rest = matrix
      if !columns.isEmpty {
        let chosen = matrix.selecting(columns: columns)
        rest = matrix.minus(
          chosen.times(try LeastSquares.rightFactor(of: matrix, left: chosen)))
      }
      let norms = (0..<matrix.columns / size).map { group in
        rest.selecting(columns: Array(group * size..<(group + 1) * size)).frobeniusNorm
      }
      taken.append(norms.firstIndex { $0 == norms.max() }!)
    }
    return taken
  }

  @Test(arguments: [(40, 24, 3), (18, 24, 4), (300, 20, 2)])
  func wholeGroups(rows: Int, columns: Int, size: Int) throws {
    let matrix = Matrix.decaying(rows, columns, by: 0.85, seed: 11)
    for rank in 1...4 {
      let found = try BlockInterpolativeDecomposition(of: matrix, groupSize: size, rank: rank)
      #expect(found.groups == (try Self.groups(matrix, size: size, rank: rank)))
      #expect(found.skeleton == found.groups.flatMap { $0 * size..<($0 + 1) * size })
      let chosen = matrix.selecting(columns: found.skeleton)
      let rest = matrix.minus(chosen.times(found.coefficients))
      #expect(abs(rest.frobeniusNorm - found.error) < 1e-10 * matrix.frobeniusNorm)
      let best = try LeastSquares.rightFactor(of: matrix, left: chosen)
      #expect(best.distance(found.coefficients) < 1e-7)
    }
  }

  @Test func groupsOfOneAreColumns() throws {
    let matrix = Matrix.random(9, 12, seed: 13)
    let weights = (0..<12).map { Double($0 % 4) }
    for weights in [nil, weights] {
      let single = try InterpolativeDecomposition(of: matrix, rank: 5, weights: weights)
      let groups = try BlockInterpolativeDecomposition(
        of: matrix, groupSize: 1, rank: 5, weights: weights)
      #expect(groups.groups == single.skeleton && groups.error == single.error)
      #expect(groups.coefficients == single.coefficients)
    }
  }

  /// A group of a column and its double, beside one that the first spans.
  @Test func dependentGroups() throws {
    let matrix = Matrix([[3, 6, 1, 1], [0, 0, 0, 0], [4, 8, 0, 1]])
    let found = try BlockInterpolativeDecomposition(of: matrix, groupSize: 2, rank: 2)
    #expect(found.groups == [0, 1] && found.skeleton == [0, 1, 2, 3] && found.error < 1e-14)
    let identity = Matrix(rows: 4, columns: 4) { $0 == $1 ? 1 : 0 }
    #expect(found.coefficients == identity)
    let spanned = Matrix([[1, 0, 1, 2], [0, 1, 1, 1]])
    let one = try BlockInterpolativeDecomposition(of: spanned, groupSize: 2, rank: 2)
    #expect(one.groups == [1] && one.error < 1e-14)
    let zero = Matrix(rows: 3, columns: 4) { _, _ in 0 }
    #expect(
      try BlockInterpolativeDecomposition(of: zero, groupSize: 2, rank: 1).groups.isEmpty)
  }
}
