import LowRank
import Randomness
import Testing

/// Products by some of their terms, and matrices by their columns and rows.
@Suite struct ColumnsAndRowsTests {
  private static let x = Matrix([[1, 2, 0, -1], [0, 1, 3, 1]])
  private static let y = Matrix([[2, 1], [0, 0.8], [1, -1], [0.5, 0.5]])

  @Test("LR-5: lengths, probabilities and weights of the terms of a product")
  func terms() throws {
    let terms = try ProductTerms(Self.x, Self.y)
    expect(terms.norms, [2.2360679775, 1.788854382, 4.24264068712, 1])
    let top = try terms.largest(2)
    #expect(top == [2, 0])
    let product = Self.x.times(Self.y)
    #expect(abs(product.minus(try terms.sum(top)).frobeniusNorm - 1.84390889146) < 1e-9)
    expect(
      terms.probabilities, [0.241278960418, 0.193023168335, 0.45779463984, 0.107903231407])
    #expect(abs(terms.drawnError(1) - 64.0877248231) < 1e-9)
    #expect(abs(terms.drawnError(4) - 64.0877248231 / 4) < 1e-9)
    let weights = try terms.bestWeights([0, 2])
    expect(weights, [1.02, 0.866666666667])
    let best = try terms.sum([0, 2], weights: weights)
    #expect(abs(product.minus(best).frobeniusNorm - 1.75442298207) < 1e-9)
  }

  @Test func drawnTermsAreRightOnAverage() throws {
    let terms = try ProductTerms(Self.x, Self.y)
    let product = Self.x.times(Self.y)
    // Exactly, over the four terms that one draw can give.
    var mean = Matrix(rows: 2, columns: 2) { _, _ in 0 }
    var error = 0.0
    for (index, share) in terms.probabilities.enumerated() {
      let one = try terms.sum([index], weights: [1 / share])
      mean = mean.minus(one.scaled(by: -share))
      let distance = product.minus(one).frobeniusNorm
      error += share * distance * distance
    }
    #expect(mean.distance(product) < 1e-12 && abs(error - terms.drawnError(1)) < 1e-9)
    // About, over many draws; and the draws are those of the seed.
    var random = Generator(seed: 3)
    var counts = [Int](repeating: 0, count: 4)
    var squares = 0.0
    for _ in 0..<4000 {
      let drawn = try terms.draw(5, using: &random)
      for (term, weight) in zip(drawn.terms, drawn.weights) {
        counts[term] += 1
        #expect(abs(weight * 5 * terms.probabilities[term] - 1) < 1e-12)
      }
      let distance = product.minus(try terms.sum(drawn.terms, weights: drawn.weights))
        .frobeniusNorm
      squares += distance * distance
    }
    for (count, share) in zip(counts, terms.probabilities) {
      #expect(abs(Double(count) / 20000 - share) < 0.015)
    }
    #expect(abs(squares / 4000 / terms.drawnError(5) - 1) < 0.1)
    var (one, other) = (Generator(seed: 8), Generator(seed: 8))
    #expect(try terms.draw(20, using: &one).terms == terms.draw(20, using: &other).terms)
  }

  @Test func weightsAndMiddlesAreTheBest() throws {
    let (x, y) = (Matrix.random(6, 8, seed: 1), Matrix.random(8, 5, seed: 2))
    let terms = try ProductTerms(x, y)
    let product = x.times(y)
    let chosen = try terms.largest(3)
    let weights = try terms.bestWeights(chosen)
    let least = product.minus(try terms.sum(chosen, weights: weights)).frobeniusNorm
    for index in 0..<3 {
      for step in [-0.01, 0.01] {
        var moved = weights
        moved[index] += step
        #expect(product.minus(try terms.sum(chosen, weights: moved)).frobeniusNorm > least)
      }
    }
    #expect(least <= product.minus(try terms.sum(chosen)).frobeniusNorm)
    let (columns, rows) = (x.selecting(columns: chosen), y.selecting(rows: chosen))
    let middle = try terms.bestMiddle(chosen)
    let error = product.minus(columns.times(middle).times(rows)).frobeniusNorm
    #expect(error <= least)
    let moved = middle.minus(Matrix.random(3, 3, seed: 5).scaled(by: 0.01))
    #expect(product.minus(columns.times(moved).times(rows)).frobeniusNorm > error)
    // A term twice: equal weights, and no division by zero.
    let twice = try terms.bestWeights([chosen[0], chosen[0]])
    let once = try terms.bestWeights([chosen[0]])
    #expect(abs(twice[0] - twice[1]) < 1e-12 && abs(twice[0] + twice[1] - once[0]) < 1e-12)
  }

  @Test func impossibleTerms() throws {
    let terms = try ProductTerms(Self.x, Self.y)
    #expect(throws: LowRankError.rank(5, most: 4)) { try terms.largest(5) }
    #expect(throws: LowRankError.index(4, count: 4)) { try terms.sum([4]) }
    #expect(throws: LowRankError.rank(0, most: 4)) { try terms.bestWeights([]) }
    #expect(throws: LowRankError.rank(0, most: 4)) { try terms.bestMiddle([]) }
    var random = Generator(seed: 1)
    #expect(throws: LowRankError.rank(0, most: 4)) { try terms.draw(0, using: &random) }
    #expect(throws: LowRankError.notFinite(row: 0, column: 0)) {
      try ProductTerms(Matrix([[.nan]]), Matrix([[1]]))
    }
    let zero = Matrix(rows: 2, columns: 2) { _, _ in 0 }
    let nothing = try ProductTerms(zero, zero)
    #expect(nothing.probabilities == [0.5, 0.5])
    #expect(try nothing.largest(1) == [0])
    #expect(try nothing.bestWeights([1]) == [0] && nothing.drawnError(1) == 0)
    #expect(try nothing.draw(3, using: &random).weights.allSatisfy(\.isFinite))
  }

  @Test("LR-6: middles of two columns and rows")
  func columnsAndRows() throws {
    let best = try ColumnRowDecomposition(
      of: example, columns: [2, 0], rows: [2, 0], middle: .optimal)
    expect(
      best.middle.elements,
      [0.199805068226, -0.00292397660819, -0.109161793372, 0.271664008506])
    #expect(abs(best.error - 5.17534127987) < 1e-9)
    let crossing = try ColumnRowDecomposition(
      of: example, columns: [2, 0], rows: [2, 0], middle: .interpolating)
    expect(crossing.middle.elements, [0.2, 0, -0.1, 0.25])
    #expect(abs(crossing.error - 5.19182048996) < 1e-9)
    for index in [2, 0] {
      let rest = example.minus(crossing.approximation)
      #expect(rest.selecting(columns: [index]).frobeniusNorm < 1e-12)
      #expect(rest.selecting(rows: [index]).frobeniusNorm < 1e-12)
    }
  }

  @Test("LR-6: leverages and places of interpolation")
  func places() throws {
    let factors = try SingularValueDecomposition(example)
    let leverages = try factors.columnLeverages(rank: 2)
    expect(leverages, [0.445583144186, 0.118534970049, 0.905142309827, 0.530739575938])
    #expect(abs(leverages.reduce(0, +) - 2) < 1e-12)
    #expect(try abs(factors.rowLeverages(rank: 3).reduce(0, +) - 3) < 1e-12)
    #expect(try factors.interpolationColumns(rank: 2) == [2, 3])
    #expect(try factors.interpolationRows(rank: 2) == [0, 2])
    #expect(throws: LowRankError.rank(5, most: 4)) { try factors.columnLeverages(rank: 5) }
    #expect(throws: LowRankError.rank(0, most: 4)) { try factors.interpolationRows(rank: 0) }
  }

  /// Places by the formula, with an inverse; and a matrix of the rank comes back whole.
  @Test func definitionOfPlaces() throws {
    let matrix = Matrix.random(9, 4, seed: 21).times(.random(4, 7, seed: 22))
    let factors = try SingularValueDecomposition(matrix)
    var places: [Int] = []
    for index in 0..<4 {
      var rest = factors.right.selecting(rows: [index]).transposed
      if index > 0 {
        let earlier = factors.right.selecting(rows: Array(0..<index)).transposed
        let inverse = try SingularValueDecomposition(earlier.selecting(rows: places))
          .pseudoInverse()
        rest = rest.minus(earlier.times(inverse).times(rest.selecting(rows: places)))
      }
      let sizes = rest.elements.map(\.magnitude)
      places.append(sizes.firstIndex { $0 == sizes.max() }!)
    }
    let columns = try factors.interpolationColumns(rank: 4)
    #expect(columns == places)
    let rows = try factors.interpolationRows(rank: 4)
    for middle in ColumnRowDecomposition.Middle.allCases {
      let found = try ColumnRowDecomposition(
        of: matrix, columns: columns, rows: rows, middle: middle)
      #expect(found.error < 1e-10 && found.middle.rows == 4 && found.middle.columns == 4)
    }
    #expect(throws: LowRankError.index(9, count: 9)) {
      try ColumnRowDecomposition(of: matrix, columns: [0], rows: [9], middle: .optimal)
    }
    #expect(throws: LowRankError.empty(rows: 9, columns: 0)) {
      try ColumnRowDecomposition(of: matrix, columns: [], rows: [0], middle: .optimal)
    }
  }

  /// More columns than rows, and the other way round; the best middle errs least.
  @Test func oblongMiddles() throws {
    let matrix = Matrix.random(8, 6, seed: 31)
    for (columns, rows) in [([0, 3, 5], [1, 2]), ([4], [0, 1, 7])] {
      let errors = try ColumnRowDecomposition.Middle.allCases.map {
        let found = try ColumnRowDecomposition(
          of: matrix, columns: columns, rows: rows, middle: $0)
        #expect(found.middle.rows == columns.count && found.middle.columns == rows.count)
        return found.error
      }
      #expect(errors[0] <= errors[1] + 1e-12)
    }
  }
}

/// Skeletons by chance: reproducible, and not far from the best.
@Suite struct RandomizedSkeletonTests {
  @Test(arguments: [(400, 30), (30, 400), (60, 60)])
  func sketches(rows: Int, columns: Int) throws {
    let matrix = Matrix.decaying(rows, columns, by: columns > 100 ? 0.97 : 0.7, seed: 1)
    let least = try SingularValueDecomposition(matrix).error(rank: 8)
    let pivoted = try InterpolativeDecomposition(of: matrix, rank: 8)
    var skeletons: Set<[Int]> = []
    for seed in 0..<8 as Range<UInt64> {
      var (one, other) = (Generator(seed: seed), Generator(seed: seed))
      let found = try InterpolativeDecomposition(sketching: matrix, rank: 8, using: &one)
      let again = try InterpolativeDecomposition(sketching: matrix, rank: 8, using: &other)
      #expect(found.skeleton == again.skeleton && found.coefficients == again.coefficients)
      skeletons.insert(found.skeleton)
      #expect(Set(found.skeleton).count == 8)
      let scale = 1e-12 * matrix.frobeniusNorm
      #expect(abs(InterpolativeTests.residual(matrix, found) - found.error) < scale)
      #expect(found.error >= least - scale && found.error < 2 * pivoted.error)
    }
    #expect(skeletons.count > 1, "seeds differ")
  }

  @Test func samples() throws {
    let matrix = Matrix.random(40, 60, seed: 2)
    let least = try SingularValueDecomposition(matrix).error(rank: 6)
    for seed in 0..<8 as Range<UInt64> {
      var (one, other) = (Generator(seed: seed), Generator(seed: seed))
      let found = try InterpolativeDecomposition(
        sampling: matrix, rank: 6, candidates: 15, using: &one)
      let again = try InterpolativeDecomposition(
        sampling: matrix, rank: 6, candidates: 15, using: &other)
      #expect(found.skeleton == again.skeleton && Set(found.skeleton).count == 6)
      #expect(abs(InterpolativeTests.residual(matrix, found) - found.error) < 1e-12)
      #expect(found.error >= least)
    }
    // All columns are candidates: what column-pivoted QR takes.
    var random = Generator(seed: 1)
    let all = try InterpolativeDecomposition(
      sampling: matrix, rank: 6, candidates: 1000, using: &random)
    let pivoted = try InterpolativeDecomposition(of: matrix, rank: 6)
    #expect(all.skeleton == pivoted.skeleton && abs(all.error - pivoted.error) < 1e-10)
  }

  @Test func lowRankIsFound() throws {
    let matrix = Matrix.random(80, 3, seed: 3).times(.random(3, 50, seed: 4))
    var random = Generator(seed: 5)
    let sketched = try InterpolativeDecomposition(sketching: matrix, rank: 6, using: &random)
    #expect(sketched.skeleton.count == 3 && sketched.error < 1e-10)
    let sampled = try InterpolativeDecomposition(
      sampling: matrix, rank: 6, candidates: 20, using: &random)
    #expect(sampled.skeleton.count == 3 && sampled.error < 1e-10)
    let zero = Matrix(rows: 40, columns: 5) { _, _ in 0 }
    let nothing = try InterpolativeDecomposition(sketching: zero, rank: 2, using: &random)
    #expect(nothing.skeleton.isEmpty && nothing.error == 0)
    let none = try InterpolativeDecomposition(
      sampling: zero, rank: 2, candidates: 3, using: &random)
    #expect(none.skeleton.isEmpty && none.error == 0)
    #expect(throws: LowRankError.rank(6, most: 5)) {
      try InterpolativeDecomposition(sketching: zero, rank: 6, using: &random)
    }
    #expect(throws: LowRankError.notFinite(row: 0, column: 0)) {
      try InterpolativeDecomposition(
        sampling: Matrix([[.nan]]), rank: 1, candidates: 1, using: &random)
    }
  }
}
