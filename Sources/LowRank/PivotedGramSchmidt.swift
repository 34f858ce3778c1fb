import COpenBLAS

/// Column-pivoted QR, a pivot at a time: the column with the largest residual is taken, and its
/// direction is removed from all others.
///
///     M Pi = Q R,  R_kk^2 >= sum over i in k...j of R_ij^2   for j > k
///
/// Ties go to the lowest index. Each direction is made orthogonal to the ones before a second time,
/// which keeps Q orthogonal to rounding. Golub and Van Loan, "Matrix Computations", section 5.4.2.
public struct PivotedGramSchmidt: Sendable {
  /// Directions below this share of the longest column are rounding.
  private static let negligible = 1e-12

  /// The number of columns.
  public let count: Int
  /// The columns that were taken, in their order.
  public private(set) var pivots: [Int] = []
  /// The lengths of their residuals, R_kk.
  public private(set) var diagonal: [Double] = []
  /// The rows of R, `[k][n]`: every column along the directions.
  ///
  /// Empty unless they are kept.
  public private(set) var rows: [[Double]] = []
  /// The squared lengths of all residuals, 0 of the columns that were taken.
  public private(set) var squares: [Double]

  private let dimension: Int
  private let keepsRows: Bool
  private let tieTolerance: Double
  private var directions: [[Double]] = []
  /// The residuals, row by row, `[m, n]`.
  private var residuals: [Double]
  /// What is left of a column is rounding up to this square.
  private let least: Double

  /// Begins with the columns of a matrix, none of which is taken.
  ///
  /// - Parameters:
  ///   - keepingRows: whether the rows of R are wanted, and not only the pivots.
  ///   - tieTolerance: squared residuals that differ by this share are a tie.
  public init(_ matrix: consuming Matrix, keepingRows: Bool, tieTolerance: Double = 0) {
    (dimension, count) = (matrix.rows, matrix.columns)
    keepsRows = keepingRows
    self.tieTolerance = tieTolerance
    residuals = matrix.elements
    squares = Array(repeating: 0, count: count)
    for row in 0..<dimension {
      for column in 0..<count {
        let number = residuals[row * count + column]
        squares[column] += number * number
      }
    }
    let longest = (squares.max() ?? 0).squareRoot() * Self.negligible
    least = longest * longest
  }

  /// The residual norm: |R_22|_F.
  public var residualNorm: Double { squares.reduce(0, +).squareRoot() }

  /// Takes the next column.
  ///
  /// - Returns: its index; nil where nothing is left of any.
  public mutating func takeNext() -> Int? { takeNext(among: 0..<count, weights: nil) }

  /// Takes the column with the largest residual times its weight, of a range of columns.
  mutating func takeNext(among range: Range<Int>, weights: [Double]?) -> Int? {
    var largest = 0.0
    var pivot = -1
    for column in range where squares[column] > least {
      var square = squares[column]
      if let weights { square *= weights[column] * weights[column] }
      if square > largest { (pivot, largest) = (column, square) }
    }
    guard pivot >= 0 else { return nil }
    if tieTolerance > 0 {
      let tie = largest * (1 - tieTolerance)
      pivot = range.first { column in
        let weight = weights?[column] ?? 1
        return squares[column] > least && weight * weight * squares[column] >= tie
      }!
    }
    take(pivot)
    return pivot
  }

  /// Takes all columns of the group of neighbours with the largest residual, those alone that the
  /// others of the group do not span.
  ///
  /// - Returns: the group; nil where nothing is left of any.
  mutating func takeGroup(size: Int, weights: [Double]?) -> Int? {
    let totals = (0..<count / size).map { group in
      (group * size..<(group + 1) * size).reduce(0.0) { sum, column in
        let weight = weights?[column] ?? 1
        return squares[column] > least ? sum + weight * weight * squares[column] : sum
      }
    }
    let largest = totals.max() ?? 0
    guard largest > 0,
      let group = totals.firstIndex(where: { $0 >= largest * (1 - tieTolerance) })
    else { return nil }
    while takeNext(among: group * size..<(group + 1) * size, weights: nil) != nil {}
    return group
  }

  private mutating func take(_ pivot: Int) {
    var direction = (0..<dimension).map { residuals[$0 * count + pivot] }
    for earlier in directions { subtract(earlier, from: &direction) }
    let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for row in 0..<dimension { direction[row] /= length }
    pivots.append(pivot)
    diagonal.append(length)
    directions.append(direction)
    let shares = remove(direction)
    if keepsRows { rows.append(shares) }
    for taken in pivots { squares[taken] = 0 }
  }

  private func subtract(_ direction: [Double], from vector: inout [Double]) {
    let share = zip(direction, vector).reduce(0) { $0 + $1.0 * $1.1 }
    for row in 0..<dimension { vector[row] -= share * direction[row] }
  }

  /// Removes a direction from all residuals, and returns how much of it each had.
  private mutating func remove(_ direction: [Double]) -> [Double] {
    let count = count
    var shares = [Double](repeating: 0, count: count)
    residuals.withUnsafeMutableBufferPointer { residuals in
      shares.withUnsafeMutableBufferPointer { shares in
        squares.withUnsafeMutableBufferPointer { squares in
          for (index, part) in direction.enumerated() {
            let row = residuals.baseAddress! + index * count
            for column in 0..<count { shares[column] += part * row[column] }
          }
          squares.update(repeating: 0)
          for (index, part) in direction.enumerated() {
            let row = residuals.baseAddress! + index * count
            for column in 0..<count {
              row[column] -= part * shares[column]
              squares[column] += row[column] * row[column]
            }
          }
        }
      }
    }
    return shares
  }

  /// R_11^-1 [R_11, R_12], `[r, n]`, columns in the order of the matrix: every column in terms of
  /// the pivots, each of which is itself.
  var coefficients: Matrix {
    let all = Matrix(rows: rows.count, columns: count, elements: rows.flatMap { $0 })
    let solution = Matrix.solving(upper: all.selecting(columns: pivots), all)
    return solution.withIdentity(at: pivots)
  }

  /// The row norms of R_11^-1.
  var inverseRowNorms: [Double] {
    let upper = Matrix(rows: rows.count, columns: rows.count) { rows[$0][pivots[$1]] }
    return Matrix.solving(upper: upper, .identity(rows.count)).rowNorms
  }
}

extension Matrix {
  /// The matrix with the columns of an identity at the given places.
  func withIdentity(at places: [Int]) -> Matrix {
    var elements = elements
    for (index, column) in places.enumerated() {
      for row in 0..<rows { elements[row * columns + column] = row == index ? 1 : 0 }
    }
    return Matrix(rows: rows, columns: columns, elements: elements)
  }

  /// The triangle R of `M = Q R` where there are more rows than columns, or else the matrix itself.
  ///
  /// R has the inner products of M's columns: pivots, coefficients and residual norms are the same,
  /// by far fewer rows. `R^T R = M^T M` would be as good but for the square of the condition.
  /// LAPACK reads columns, so that its `M^T = L Q^T` is R row by row.
  var reduced: Matrix {
    guard rows > columns, columns > 0 else { return self }
    useOneThread()
    let (m, n) = ([blasint(columns)], [blasint(rows)])
    var (a, tau) = (elements, [Double](repeating: 0, count: columns))
    var info: blasint = 0
    // Of a length of -1 it only says how much memory it needs.
    var work = [0.0]
    dgelqf_(m, n, &a, m, &tau, &work, [-1], &info)
    let length = [blasint(work[0])]
    work = Array(repeating: 0, count: Int(length[0]))
    dgelqf_(m, n, &a, m, &tau, &work, length, &info)
    return Matrix(rows: columns, columns: columns) { $0 <= $1 ? a[$0 * columns + $1] : 0 }
  }

  /// The power of two by which numbers come near 1 where their squares could overflow or vanish,
  /// else 1.
  var safeScale: Double {
    let largest = elements.reduce(0) { max($0, $1.magnitude) }
    guard largest > 0, abs(largest.exponent) > 400 else { return 1 }
    return Double(sign: .plus, exponent: -max(largest.exponent, -1000), significand: 1)
  }
}
