/// Why a matrix cannot be decomposed.
public enum LowRankError: Error, Equatable, Sendable, CustomStringConvertible {
  /// An element that is infinite or not a number.
  case notFinite(row: Int, column: Int)
  /// A matrix without elements.
  case empty(rows: Int, columns: Int)
  /// A rank that a matrix cannot have.
  case rank(Int, most: Int)
  /// A row or column that is not there.
  case index(Int, count: Int)
  /// Groups that do not divide the columns.
  case groups(size: Int, columns: Int)
  /// Weights of errors that do not suit the columns.
  case weights(count: Int, columns: Int)
  /// Singular values that were not found.
  case notConverged(rows: Int, columns: Int)

  /// What was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .notFinite(let row, let column):
      return
        "expected a matrix of finite numbers, found one that is not at row \(row), column "
        + "\(column). Look where it comes from: weights of a run that diverged have such numbers."
    case .empty(let rows, let columns):
      return
        "expected a matrix with at least one row and one column, found \(rows) x \(columns). Leave "
        + "it out: there is nothing to decompose."
    case .rank(let rank, let most):
      return "expected a rank of 1 to \(most), found \(rank). Choose one of those."
    case .index(let index, let count):
      return
        "expected rows and columns that the matrix has, found number \(index) of \(count). Count "
        + "from 0."
    case .groups(let size, let columns):
      return
        "expected groups that divide \(columns) columns, found groups of \(size). Choose a divisor."
    case .weights(let count, let columns):
      return
        "expected a finite weight of at least 0 for each of \(columns) columns, found \(count) "
        + "weights, not all of them such. Give each column one."
    case .notConverged(let rows, let columns):
      return
        "the singular values of a matrix of \(rows) x \(columns) were not found: the iteration did "
        + "not converge. Scale the matrix to numbers near 1, or decompose its transpose."
    }
  }
}
