/// A matrix by some of its own columns and rows: `M ~ C U R`, with C `[m, c]`, U `[c, r]`
/// and R `[r, n]`.
///
/// Mahoney and Drineas, "CUR matrix decompositions for improved data analysis", 2009.
public struct ColumnRowDecomposition: Sendable {
  /// What stands between columns and rows.
  public enum Middle: Sendable, CaseIterable {
    /// The nearest to the matrix: `U = C^+ M R^+`.
    case optimal
    /// The pseudo-inverse of where columns and rows cross, `U = M[rows, columns]^+`.
    ///
    /// Where that is invertible, the chosen columns and rows are reproduced, and `B`, `C` and `A`
    /// complete `[[A, B], [C, D]]` by `D ~ C A^-1 B`.
    case interpolating
  }

  /// The chosen columns.
  public let columns: [Int]
  /// The chosen rows.
  public let rows: [Int]
  /// U.
  public let middle: Matrix
  /// C U R, `[m, n]`.
  public let approximation: Matrix
  /// |M - C U R|_F.
  public let error: Double

  /// Decomposes a matrix `[m, n]` by given columns and rows.
  ///
  /// - Throws: ``LowRankError`` where the matrix is empty or has an element that is not finite, and
  ///   where no columns or rows are given, or some that are not there.
  public init(
    of matrix: Matrix, columns: [Int], rows: [Int], middle: Middle
  ) throws(LowRankError) {
    try matrix.check()
    try matrix.check(columnIndices: columns)
    if let wrong = rows.first(where: { !(0..<matrix.rows).contains($0) }) {
      throw .index(wrong, count: matrix.rows)
    }
    let (left, right) = (matrix.selecting(columns: columns), matrix.selecting(rows: rows))
    switch middle {
    case .optimal:
      self.middle = try LeastSquares.leftFactor(
        of: LeastSquares.rightFactor(of: matrix, left: left), right: right)
    case .interpolating:
      self.middle = try SingularValueDecomposition(left.selecting(rows: rows)).pseudoInverse()
    }
    (self.columns, self.rows) = (columns, rows)
    approximation = left.times(self.middle).times(right)
    error = matrix.minus(approximation).frobeniusNorm
  }
}

// MARK: - Columns and rows by the singular directions

extension SingularValueDecomposition {
  /// How much each column has of the first r right directions: `sum over k of V[i, k]^2`, in all
  /// r.
  ///
  /// Drawing columns in proportion to these leverage scores, or taking the largest, prefers those
  /// that are unlike the others. Drineas, Mahoney and Muthukrishnan, "Relative-error CUR matrix
  /// decompositions", 2008.
  ///
  /// - Throws: ``LowRankError/rank(_:most:)`` unless r is 1 to k.
  public func columnLeverages(rank: Int) throws(LowRankError) -> [Double] {
    try check(rank)
    return right.selecting(rows: Array(0..<rank)).columnNorms.map { $0 * $0 }
  }

  /// How much each row has of the first r left directions: `sum over k of U[i, k]^2`, in all r.
  ///
  /// - Throws: as ``columnLeverages(rank:)``.
  public func rowLeverages(rank: Int) throws(LowRankError) -> [Double] {
    try check(rank)
    return left.selecting(columns: Array(0..<rank)).rowNorms.map { $0 * $0 }
  }

  /// The columns at which the first r right directions are interpolated best, one for each (DEIM).
  ///
  ///     p_1 = argmax |v_1|,  p_(k+1) = argmax |v_(k+1) - V_k V_k[p]^-1 v_(k+1)[p]|
  ///
  /// Each direction is interpolated by those before at their places, and the largest difference is
  /// the next place. Ties go to the lowest index. Sorensen and Embree, "A DEIM induced CUR
  /// factorization", 2016.
  ///
  /// - Throws: ``LowRankError/rank(_:most:)`` unless r is 1 to k.
  public func interpolationColumns(rank: Int) throws(LowRankError) -> [Int] {
    try check(rank)
    return Self.interpolationPlaces(right, rank)
  }

  /// The rows at which the first r left directions are interpolated best.
  ///
  /// - Throws: as ``interpolationColumns(rank:)``.
  public func interpolationRows(rank: Int) throws(LowRankError) -> [Int] {
    try check(rank)
    return Self.interpolationPlaces(left.transposed, rank)
  }

  /// What is left of a direction is 0 at all places before: Gaussian elimination with pivots.
  private static func interpolationPlaces(_ directions: Matrix, _ rank: Int) -> [Int] {
    var places: [Int] = []
    var rest: [[Double]] = []
    for index in 0..<rank {
      var direction = (0..<directions.columns).map { directions[index, $0] }
      for (place, earlier) in zip(places, rest) {
        let factor = direction[place] / earlier[place]
        for column in direction.indices { direction[column] -= factor * earlier[column] }
        direction[place] = 0
      }
      // Orthonormal directions are independent, so that something is left.
      let largest = direction.reduce(0) { max($0, $1.magnitude) }
      places.append(direction.firstIndex { $0.magnitude >= largest * (1 - 1e-12) }!)
      rest.append(direction)
    }
    return places
  }
}
