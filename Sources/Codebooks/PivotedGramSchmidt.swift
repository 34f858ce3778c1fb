/// Column-pivoted QR, a pivot at a time: the vector with the largest residual is taken, and its
/// direction is removed from all others.
///
///     M Pi = Q R,  R_kk^2 >= sum over i in k...j of R_ij^2   for j > k
///
/// Columns of M are the vectors. Ties go to the lowest index. Each direction is made orthogonal to the
/// ones before a second time, which keeps Q orthogonal to rounding. Golub and Van Loan, "Matrix
/// Computations", section 5.4.2.
struct PivotedGramSchmidt {
  /// Directions below this share of the longest vector are rounding.
  private static let negligible = 1e-12

  let dimension: Int
  let count: Int
  /// The vectors that were taken, in their order.
  private(set) var pivots: [Int] = []
  /// The lengths of their residuals, R_kk.
  private(set) var diagonal: [Double] = []
  /// Coefficients of every vector along the directions, `[k][n]`: rows of R.
  private(set) var rows: [[Double]] = []

  private let keepsRows: Bool
  private var directions: [[Double]] = []
  /// The residuals, channel by channel, `[d, n]`.
  private var residuals: [Double]
  private var squares: [Double]
  private let least: Double

  /// Takes vectors as a function of channel and vector.
  init(
    dimension: Int, count: Int, keepingRows: Bool,
    _ number: (_ channel: Int, _ vector: Int) -> Double
  ) {
    self.dimension = dimension
    self.count = count
    keepsRows = keepingRows
    residuals = (0..<dimension).flatMap { channel in (0..<count).map { number(channel, $0) } }
    squares = Array(repeating: 0, count: count)
    for channel in 0..<dimension {
      for vector in 0..<count {
        let number = residuals[channel * count + vector]
        squares[vector] += number * number
      }
    }
    let longest = (squares.max() ?? 0).squareRoot() * Self.negligible
    least = longest * longest
  }

  /// The residual norm: |R_22|_F.
  var residualNorm: Double { squares.reduce(0) { $0 + max(0, $1) }.squareRoot() }

  /// Takes the next vector.
  ///
  /// - Returns: its index; nil where nothing is left of any.
  mutating func takeNext() -> Int? {
    var pivot = -1
    var largest = least
    for (vector, square) in squares.enumerated() where square > largest {
      (pivot, largest) = (vector, square)
    }
    guard pivot >= 0 else { return nil }
    var direction = (0..<dimension).map { residuals[$0 * count + pivot] }
    for earlier in directions { subtract(earlier, from: &direction) }
    let length = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
    for channel in 0..<dimension { direction[channel] /= length }
    pivots.append(pivot)
    diagonal.append(length)
    directions.append(direction)
    let shares = remove(direction)
    if keepsRows { rows.append(shares) }
    for taken in pivots { squares[taken] = 0 }
    return pivot
  }

  private func subtract(_ direction: [Double], from vector: inout [Double]) {
    let share = zip(direction, vector).reduce(0) { $0 + $1.0 * $1.1 }
    for channel in 0..<dimension { vector[channel] -= share * direction[channel] }
  }

  /// Removes a direction from all residuals, and returns how much of it each had.
  private mutating func remove(_ direction: [Double]) -> [Double] {
    let count = count
    var shares = [Double](repeating: 0, count: count)
    residuals.withUnsafeMutableBufferPointer { residuals in
      shares.withUnsafeMutableBufferPointer { shares in
        squares.withUnsafeMutableBufferPointer { squares in
          for (channel, part) in direction.enumerated() {
            let row = residuals.baseAddress! + channel * count
            for vector in 0..<count { shares[vector] += part * row[vector] }
          }
          squares.update(repeating: 0)
          for (channel, part) in direction.enumerated() {
            let row = residuals.baseAddress! + channel * count
            for vector in 0..<count {
              row[vector] -= part * shares[vector]
              squares[vector] += row[vector] * row[vector]
            }
          }
        }
      }
    }
    return shares
  }
}
