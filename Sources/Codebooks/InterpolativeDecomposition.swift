/// A matrix by some of its own columns: `M ~ C Z`, C the skeleton.
///
///     M Pi = Q R,  C = the first r columns of M Pi,  Z = [I, R_11^-1 R_12] Pi^T,
///     |M - C Z|_F = |R_22|_F
///
/// Columns are chosen by column-pivoted QR, which need not be the best choice: for r = 1 it is the
/// longest column. Cheng et al., "On the compression of low rank matrices", 2005.
public struct InterpolativeDecomposition: Sendable {
  /// The columns of the skeleton, S, in the order in which they were taken.
  public let skeleton: [Int]
  /// R_kk of each.
  public let diagonal: [Double]
  /// Z, `[r][n]`: every column in terms of the skeleton.
  public let coefficients: [[Double]]
  /// |M - C Z|_F.
  public let error: Double

  /// Decomposes a matrix of given columns, all of one length.
  ///
  /// - Parameter rank: r; fewer columns are taken where they are all there is.
  public init(columns: [[Double]], rank: Int) {
    precondition(!columns.isEmpty && rank > 0, "a matrix has columns, and a skeleton one of them")
    var factors = PivotedGramSchmidt(
      dimension: columns[0].count, count: columns.count, keepingRows: true
    ) { channel, vector in columns[vector][channel] }
    while factors.pivots.count < rank, factors.takeNext() != nil {}
    skeleton = factors.pivots
    diagonal = factors.diagonal
    error = factors.residualNorm
    coefficients = Self.solve(factors.rows, pivots: factors.pivots)
  }

  /// R_11^-1 [R_11, R_12], in the order of the columns, from the last row up.
  private static func solve(_ rows: [[Double]], pivots: [Int]) -> [[Double]] {
    var solution = rows
    for row in rows.indices.reversed() {
      for later in row + 1..<max(rows.count, row + 1) {
        let factor = rows[row][pivots[later]]
        for column in solution[row].indices {
          solution[row][column] -= factor * solution[later][column]
        }
      }
      let pivot = rows[row][pivots[row]]
      for column in solution[row].indices { solution[row][column] /= pivot }
    }
    return solution
  }
}
