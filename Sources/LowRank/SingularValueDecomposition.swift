import COpenBLAS

/// A matrix as a sum of products of orthogonal directions, the largest first.
///
///     M = U diag(sigma) V^T,  sigma_1 >= sigma_2 >= ... >= 0,  k = min(m, n)
///     |M|_F^2 = sum of sigma_i^2,  |M|_2 = sigma_1
///
/// The first r terms are the best approximation of rank r (Eckart, Young and Mirsky): the error is
/// `sqrt(sum over i > r of sigma_i^2)` in the Frobenius norm, and sigma_(r+1) in the spectral one.
///
/// LAPACK's divide and conquer finds it (`dgesdd`, inside OpenBLAS), in one thread. Signs are its
/// own: a pair of directions may be turned around. Golub and Van Loan, "Matrix Computations",
/// sections 2.4 and 8.6.
public struct SingularValueDecomposition: Sendable {
  /// U, `[m, k]`: orthonormal columns.
  public let left: Matrix
  /// The singular values, largest first; k of them.
  public let values: [Double]
  /// V^T, `[k, n]`: orthonormal rows.
  public let right: Matrix

  /// Decomposes a matrix `[m, n]`.
  ///
  /// - Throws: ``LowRankError`` where the matrix is empty or has an element that is not finite, and
  ///   if LAPACK does not converge.
  public init(_ matrix: Matrix) throws(LowRankError) {
    let rank = min(matrix.rows, matrix.columns)
    var left = [Double](repeating: 0, count: matrix.rows * rank)
    var right = [Double](repeating: 0, count: rank * matrix.columns)
    values = try Self.decompose(matrix, &left, &right)
    self.left = Matrix(rows: matrix.rows, columns: rank, elements: left)
    self.right = Matrix(rows: rank, columns: matrix.columns, elements: right)
  }

  /// The singular values alone, in less than half of the time.
  ///
  /// - Throws: as ``init(_:)``.
  public static func values(of matrix: Matrix) throws(LowRankError) -> [Double] {
    var (left, right): ([Double], [Double]) = ([], [])
    return try decompose(matrix, &left, &right)
  }

  /// The singular values, and both factors where there is room for them.
  ///
  /// LAPACK reads columns, so that it sees M^T = V diag(sigma) U^T: its left directions are V, and
  /// what it writes column by column is V^T row by row. Nothing is turned.
  private static func decompose(
    _ matrix: Matrix, _ left: inout [Double], _ right: inout [Double]
  ) throws(LowRankError) -> [Double] {
    try matrix.check()
    useOneThread()
    let rank = min(matrix.rows, matrix.columns)
    let job = [CChar(bitPattern: UInt8(ascii: left.isEmpty ? "N" : "S"))]
    let (m, n, k) = ([blasint(matrix.columns)], [blasint(matrix.rows)], [blasint(rank)])
    var (a, values) = (matrix.elements, [Double](repeating: 0, count: rank))
    var integers = [blasint](repeating: 0, count: 8 * rank)
    var info: blasint = 0
    // Of a length of -1 it only says how much memory it needs.
    var work = [0.0]
    dgesdd_(job, m, n, &a, m, &values, &right, m, &left, k, &work, [-1], &integers, &info, 1)
    let length = [blasint(work[0])]
    work = Array(repeating: 0, count: Int(length[0]))
    dgesdd_(job, m, n, &a, m, &values, &right, m, &left, k, &work, length, &integers, &info, 1)
    guard info == 0, values.allSatisfy(\.isFinite) else {
      throw .notConverged(rows: matrix.rows, columns: matrix.columns)
    }
    return values
  }

  // MARK: Approximations

  /// Two factors of the best approximation of rank r, with the roots of the singular values on each
  /// side: `U_r diag(sqrt(sigma))`, `[m, r]`, and `diag(sqrt(sigma)) V_r^T`, `[r, n]`.
  ///
  /// Both have equal norms, which suits further training.
  ///
  /// - Throws: ``LowRankError/rank(_:most:)`` unless r is 1 to k.
  public func factors(rank: Int) throws(LowRankError) -> (Matrix, Matrix) {
    try check(rank)
    let roots = values.prefix(rank).map { $0.squareRoot() }
    return (
      Matrix(rows: left.rows, columns: rank) { left[$0, $1] * roots[$1] },
      Matrix(rows: rank, columns: right.columns) { right[$0, $1] * roots[$0] }
    )
  }

  /// The error of the best approximation of rank r: `sqrt(sum over i > r of sigma_i^2)`.
  public func error(rank: Int) -> Double {
    Matrix(rows: 1, columns: values.count - min(rank, values.count)) { values[rank + $1] }
      .frobeniusNorm
  }

  /// The smallest rank that keeps a share of the squares: the least r with
  /// `sum over i <= r of sigma_i^2 >= share * sum of sigma_i^2`, at least 1.
  ///
  /// - Precondition: the share is 0 to 1.
  public func rank(keepingEnergy share: Double) -> Int {
    precondition((0...1).contains(share), "a share is 0 to 1, not \(share)")
    guard let largest = values.first, largest > 0 else { return 1 }
    let sums = values.reduce(into: [0.0]) { $0.append($0.last! + ($1 / largest) * ($1 / largest)) }
    return max(1, sums.firstIndex { $0 >= share * sums.last! } ?? values.count)
  }

  /// The number of singular values above a share of the largest.
  ///
  /// - Parameter tolerance: the share; rounding's own, `max(m, n) 2^-52`, where it is nil.
  public func rank(tolerance: Double? = nil) -> Int {
    let rounding = Double(max(left.rows, right.columns)) * 0x1p-52
    let least = (tolerance ?? rounding) * values[0]
    return values.firstIndex { $0 <= least } ?? values.count
  }

  // MARK: Inverses

  /// The pseudo-inverse, `[n, m]`: `M^+ = V diag(1 / sigma) U^T`.
  ///
  /// Of full column rank it is `(M^T M)^-1 M^T`, of full row rank `M^T (M M^T)^-1`; in general the
  /// limit of `(M^T M + e)^-1 M^T` as e goes to 0.
  ///
  /// - Parameter tolerance: singular values up to this share of the largest count as 0; where it is
  ///   nil, those of rounding's size, `max(m, n) 2^-52`.
  public func pseudoInverse(tolerance: Double? = nil) -> Matrix {
    Matrix.product(invertedRight(tolerance), left, transposingLeft: true, transposingRight: true)
  }

  /// `diag(1 / sigma) V^T` of the singular values that are not 0, and zeros of the others:
  /// `[k, n]`.
  func invertedRight(_ tolerance: Double? = nil) -> Matrix {
    let rank = rank(tolerance: tolerance)
    return Matrix(rows: values.count, columns: right.columns) {
      $0 < rank ? right[$0, $1] / values[$0] : 0
    }
  }

  /// The pseudo-inverse times a matrix, without the pseudo-inverse on the way.
  func solution(of matrix: Matrix, _ invertedRight: Matrix) -> Matrix {
    Matrix.product(
      invertedRight, Matrix.product(left, matrix, transposingLeft: true), transposingLeft: true)
  }

  /// Ends with an error unless a rank is 1 to k.
  func check(_ rank: Int) throws(LowRankError) {
    guard (1...values.count).contains(rank) else { throw .rank(rank, most: values.count) }
  }
}

/// The factor of a product that is nearest to a matrix, where the other factor is given.
///
/// Where many are as near, each solution is the smallest. It is made of the singular values, not of
/// normal equations, which would square the condition of the factor.
public enum LeastSquares {
  /// The right factor, `argmin over B of |A B - M|_F = A^+ M`: A is `[m, r]`, B `[r, n]`, M
  /// `[m, n]`.
  ///
  /// - Throws: ``LowRankError`` where a matrix is empty or has an element that is not finite.
  public static func rightFactor(
    of matrix: Matrix, left: Matrix, tolerance: Double? = nil
  ) throws(LowRankError) -> Matrix {
    try matrix.check()
    let factors = try SingularValueDecomposition(left)
    return factors.solution(of: matrix, factors.invertedRight(tolerance))
  }

  /// The left factor, `argmin over A of |A B - M|_F = M B^+`: A is `[m, r]`, B `[r, n]`, M
  /// `[m, n]`.
  ///
  /// - Throws: as ``rightFactor(of:left:tolerance:)``.
  public static func leftFactor(
    of matrix: Matrix, right: Matrix, tolerance: Double? = nil
  ) throws(LowRankError) -> Matrix {
    try matrix.check()
    let factors = try SingularValueDecomposition(right)
    let inner = Matrix.product(matrix, factors.invertedRight(tolerance), transposingRight: true)
    return Matrix.product(inner, factors.left, transposingRight: true)
  }
}
