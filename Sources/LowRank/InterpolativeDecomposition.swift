/// A matrix by some of its own columns: `M ~ C Z`, C the skeleton.
///
///     M Pi = Q R,  C = the first r columns of M Pi,  Z = [I, R_11^-1 R_12] Pi^T = C^+ M,
///     |M - C Z|_F = |R_22|_F
///
/// Because columns are chosen and not mixed, the choice goes through a function of each element:
/// `f(X W) S = f(X W S)` where S selects. So channels can be removed before a nonlinearity, and Z
/// becomes part of the layer behind it.
///
/// Cheng et al., "On the compression of low rank matrices", 2005.
public struct InterpolativeDecomposition: Sendable {
  /// The columns of the skeleton, S, in the order in which they were taken; r of them.
  public let skeleton: [Int]
  /// Z, `[r, n]`: every column in terms of the skeleton, whose own columns are those of the
  /// identity.
  public let coefficients: Matrix
  /// |M - C Z|_F; of weighted columns, that of weighted differences.
  public let error: Double
  /// How far the skeleton is from revealing the rank, f: the largest, over the columns j that are
  /// not in it, of `sqrt(z_ij^2 + (|row i of C^+| |column j of M - C Z|)^2)`.
  ///
  /// It bounds the coefficients, and by ``spectralBound(next:)`` the error. The coefficients alone
  /// do not bound the error. Gu and Eisenstat, "Efficient algorithms for computing a strong
  /// rank-revealing QR factorization", 1996, section 3.
  public let revealingFactor: Double

  /// Decomposes a matrix `[m, n]` by column-pivoted QR.
  ///
  /// The column with the largest residual is taken next. That need not be the best choice: of rank
  /// 1 it is the longest column. Ties, which are differences of rounding, go to the lowest index.
  /// Of more rows than columns the triangle of a plain QR is decomposed, which has the same pivots
  /// and errors: some `2 m n^2` operations.
  ///
  /// - Parameters:
  ///   - rank: r, 1 to n; fewer columns are taken where they are all there is.
  ///   - weights: how much the error of each column counts, w, at least 0: the column with the
  ///     largest `w_j |r_j|` is taken next, and none of weight 0.
  /// - Throws: ``LowRankError`` where the matrix is empty or has an element that is not finite, and
  ///   where rank or weights do not suit it.
  public init(
    of matrix: Matrix, rank: Int, weights: [Double]? = nil
  ) throws(LowRankError) {
    try matrix.check()
    try matrix.check(columns: rank, weights)
    let scale = matrix.safeScale
    let matrix = scale == 1 ? matrix : matrix.scaled(by: scale)
    var factors = PivotedGramSchmidt(matrix.reduced, keepingRows: true, tieTolerance: 1e-12)
    let columns = 0..<matrix.columns
    while factors.pivots.count < rank,
      factors.takeNext(among: columns, weights: weights) != nil
    {}
    let residuals = factors.squares.map { $0.squareRoot() }
    self.init(
      factors.pivots, factors.coefficients, residuals, inverseRowNorms: factors.inverseRowNorms,
      weights, scale)
  }

  /// Decomposes a matrix `[m, n]` by given columns: the best coefficients are `Z = C^+ M`.
  ///
  /// Without any column there are no coefficients, and the error is the matrix.
  ///
  /// - Throws: ``LowRankError`` as ``init(of:rank:weights:)``, and where a column is not there.
  public init(of matrix: Matrix, skeleton: [Int]) throws(LowRankError) {
    try matrix.check()
    try matrix.check(columnIndices: skeleton)
    if skeleton.isEmpty {
      let none = Matrix(rows: 0, columns: matrix.columns, elements: [])
      self.init([], none, matrix.columnNorms, inverseRowNorms: [], nil, 1)
      return
    }
    let scale = matrix.safeScale
    let matrix = scale == 1 ? matrix : matrix.scaled(by: scale)
    let chosen = matrix.selecting(columns: skeleton)
    let factors = try SingularValueDecomposition(chosen)
    let inverse = factors.invertedRight()
    var coefficients = factors.solution(of: matrix, inverse)
    let isIndependent = factors.rank() == skeleton.count
    if isIndependent { coefficients = coefficients.withIdentity(at: skeleton) }
    // The rows of C^+ have the lengths of the columns of diag(1 / sigma) V^T.
    self.init(
      skeleton, coefficients, matrix.minus(chosen.times(coefficients)).columnNorms,
      inverseRowNorms: isIndependent
        ? inverse.columnNorms : skeleton.map { _ in Double.infinity },
      nil, scale)
  }

  private init(
    _ skeleton: [Int], _ coefficients: Matrix, _ residuals: [Double], inverseRowNorms: [Double],
    _ weights: [Double]?, _ scale: Double
  ) {
    self.skeleton = skeleton
    self.coefficients = coefficients
    error =
      Matrix(rows: 1, columns: residuals.count) { residuals[$1] * (weights?[$1] ?? 1) }
      .frobeniusNorm / scale
    let members = Set(skeleton)
    let others = residuals.indices.filter { !members.contains($0) }
    var largest = 0.0
    for (row, norm) in inverseRowNorms.enumerated() {
      for column in others {
        // An infinite norm with a residual of 0 is still no bound.
        let share = norm.isFinite ? norm * residuals[column] : norm
        let z = coefficients[row, column]
        largest = max(largest, z * z + share * share)
      }
    }
    revealingFactor = largest.squareRoot()
  }

  /// The largest coefficient, |z_ij|; 1 at least, of the skeleton's own columns.
  ///
  /// By column-pivoted QR it is seldom above 2, and never above 2^(r - 1).
  public var largestCoefficient: Double {
    coefficients.elements.reduce(0) { max($0, $1.magnitude) }
  }

  /// What the largest singular value of the error cannot exceed:
  /// `sqrt(1 + f^2 r (n - r)) sigma_(r+1)`, f the ``revealingFactor``.
  ///
  /// It holds of errors that are not weighted.
  ///
  /// - Parameter sigma: the singular value of the matrix after the r largest.
  public func spectralBound(next sigma: Double) -> Double {
    let rank = skeleton.count
    let places = Double(rank * (coefficients.columns - rank))
    if places == 0 { return sigma }
    return (1 + revealingFactor * revealingFactor * places).squareRoot() * sigma
  }
}

/// A matrix by groups of its own columns, such as the columns that belong to one channel.
///
///     M ~ C Z,  C the columns of r groups of g neighbours
///
/// The group with the largest residual, `sqrt(sum of |r_j|^2)` over its columns, is taken next, and
/// the directions of all of its columns are removed from the others.
public struct BlockInterpolativeDecomposition: Sendable {
  /// The groups, in the order in which they were taken; r of them.
  public let groups: [Int]
  /// Their columns, r g of them, those of a group in their order.
  public let skeleton: [Int]
  /// Z, `[r g, n]`: every column in terms of the skeleton, whose own columns are those of the
  /// identity.
  public let coefficients: Matrix
  /// |M - C Z|_F; of weighted columns, that of weighted differences.
  public let error: Double

  /// Decomposes a matrix `[m, n]`; group i is the columns from `i g` up to `(i + 1) g`.
  ///
  /// - Parameters:
  ///   - groupSize: g, a divisor of n.
  ///   - rank: r, 1 to n / g; fewer groups are taken where they are all there is.
  ///   - weights: how much the error of each column counts, at least 0.
  /// - Throws: ``LowRankError`` where the matrix is empty or has an element that is not finite, and
  ///   where groups, rank or weights do not suit it.
  public init(
    of matrix: Matrix, groupSize: Int, rank: Int, weights: [Double]? = nil
  ) throws(LowRankError) {
    try matrix.check()
    guard groupSize > 0, matrix.columns % groupSize == 0 else {
      throw .groups(size: groupSize, columns: matrix.columns)
    }
    let count = matrix.columns / groupSize
    guard (1...count).contains(rank) else { throw .rank(rank, most: count) }
    try matrix.check(columns: 1, weights)
    let scale = matrix.safeScale
    let matrix = scale == 1 ? matrix : matrix.scaled(by: scale)
    var factors = PivotedGramSchmidt(matrix.reduced, keepingRows: true, tieTolerance: 1e-12)
    var taken: [Int] = []
    while taken.count < rank,
      let group = factors.takeGroup(size: groupSize, weights: weights)
    {
      taken.append(group)
    }
    groups = taken
    skeleton = taken.flatMap { ($0 * groupSize)..<(($0 + 1) * groupSize) }
    let squares = factors.squares
    error =
      Matrix(rows: 1, columns: matrix.columns) { squares[$1].squareRoot() * (weights?[$1] ?? 1) }
      .frobeniusNorm / scale
    // A column that its group's others already span is not needed: zeros, but for itself.
    let (solution, pivots) = (factors.coefficients, factors.pivots)
    let place = Dictionary(uniqueKeysWithValues: pivots.enumerated().map { ($1, $0) })
    let skeleton = skeleton
    coefficients = Matrix(rows: skeleton.count, columns: matrix.columns) { row, column in
      place[skeleton[row]].map { solution[$0, column] } ?? 0
    }.withIdentity(at: skeleton)
  }
}

extension Matrix {
  /// Ends with an error unless so many columns can be taken by weights.
  func check(columns count: Int, _ weights: [Double]?) throws(LowRankError) {
    guard (1...columns).contains(count) else { throw .rank(count, most: columns) }
    guard let weights else { return }
    guard weights.count == columns, weights.allSatisfy({ $0.isFinite && $0 >= 0 }) else {
      throw .weights(count: weights.count, columns: columns)
    }
  }

  /// Ends with an error unless columns are there.
  func check(columnIndices chosen: [Int]) throws(LowRankError) {
    if let wrong = chosen.first(where: { !(0..<columns).contains($0) }) {
      throw .index(wrong, count: columns)
    }
  }
}
