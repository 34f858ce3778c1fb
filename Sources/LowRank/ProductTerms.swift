import Randomness

/// A product of two matrices as a sum of terms, of which some are taken: `X Y = sum of x_i y_i^T`,
/// with x_i the columns of X `[m, k]` and y_i the rows of Y `[k, n]`.
///
///     X Y ~ sum over i in S of w_i x_i y_i^T = C diag(w) R
///
/// The best choice of r terms is hard to find; the longest are a good one, and drawn terms are
/// right on average. Drineas, Kannan and Mahoney, "Fast Monte Carlo algorithms for matrices I",
/// 2006.
public struct ProductTerms: Sendable {
  /// X, `[m, k]`.
  public let left: Matrix
  /// Y, `[k, n]`.
  public let right: Matrix
  /// `|x_i| |y_i|` of each term.
  public let norms: [Double]

  /// The terms of a product.
  ///
  /// - Precondition: X has as many columns as Y has rows.
  /// - Throws: ``LowRankError`` where a matrix is empty or has an element that is not finite.
  public init(_ left: Matrix, _ right: Matrix) throws(LowRankError) {
    precondition(left.columns == right.rows, "a product of \(left.columns) and \(right.rows)")
    try left.check()
    try right.check()
    (self.left, self.right) = (left, right)
    norms = zip(left.columnNorms, right.rowNorms).map { $0 * $1 }
  }

  // MARK: Which terms

  /// The terms with the largest `|x_i| |y_i|`, largest first; ties go to the lowest index.
  ///
  /// - Throws: ``LowRankError/rank(_:most:)`` unless there are so many.
  public func largest(_ count: Int) throws(LowRankError) -> [Int] {
    guard (1...norms.count).contains(count) else { throw .rank(count, most: norms.count) }
    let order = norms.indices.sorted { (norms[$1], $0) < (norms[$0], $1) }
    return Array(order.prefix(count))
  }

  /// The probabilities by which drawn terms err least, `p_i = |x_i| |y_i| / Z`, Z their sum.
  ///
  /// Equal ones where all terms are zero.
  public var probabilities: [Double] {
    let sum = norms.reduce(0, +)
    return norms.map { sum > 0 ? $0 / sum : 1 / Double(norms.count) }
  }

  /// Draws terms independently by ``probabilities``, each with the weight `1 / (r p_i)`, by which
  /// their sum is `X Y` on average.
  ///
  /// - Parameter random: where the numbers come from; the same state gives the same terms.
  /// - Throws: ``LowRankError/rank(_:most:)`` unless `count` is at least 1.
  public func draw(
    _ count: Int, using random: inout Generator
  ) throws(LowRankError) -> (terms: [Int], weights: [Double]) {
    guard count > 0 else { throw .rank(count, most: norms.count) }
    let probabilities = probabilities
    // Rounding may leave the sum below 1: the last term that can be drawn takes the rest.
    let last = probabilities.lastIndex { $0 > 0 }!
    let terms = (0..<count).map { _ in
      var place = random.uniformDouble()
      for (index, share) in probabilities.enumerated() where share > 0 {
        if place < share || index == last { return index }
        place -= share
      }
      return last
    }
    return (terms, terms.map { 1 / (Double(count) * probabilities[$0]) })
  }

  /// The mean squared error of so many drawn terms: `(Z^2 - |X Y|_F^2) / r`.
  public func drawnError(_ count: Int) -> Double {
    let sum = norms.reduce(0, +)
    let product = left.times(right).frobeniusNorm
    return max(0, sum * sum - product * product) / Double(count)
  }

  // MARK: What they make

  /// `C diag(w) R` of some terms, `[m, n]`; all weights are 1 where they are nil.
  ///
  /// - Throws: ``LowRankError/index(_:count:)`` where a term is not there.
  /// - Precondition: there is a weight for each term.
  public func sum(
    _ terms: [Int], weights: [Double]? = nil
  ) throws(LowRankError) -> Matrix {
    precondition(weights.map { $0.count == terms.count } ?? true, "a weight for each term")
    let (columns, rows) = try factors(terms)
    guard let weights else { return columns.times(rows) }
    let weighted = Matrix(rows: rows.rows, columns: rows.columns) { rows[$0, $1] * weights[$0] }
    return columns.times(weighted)
  }

  /// The weights by which given terms come nearest to the product:
  /// `w = ((C^T C) o (R R^T))^-1 ((C^T X) o (R Y^T)) 1`, o element by element.
  ///
  /// Where terms depend on each other, the smallest of the best.
  ///
  /// - Throws: ``LowRankError`` where there are no terms, or one is not there.
  public func bestWeights(_ terms: [Int]) throws(LowRankError) -> [Double] {
    let (columns, rows) = try factors(terms)
    if terms.isEmpty { throw .rank(0, most: norms.count) }
    func hadamard(_ a: Matrix, _ b: Matrix) -> Matrix {
      Matrix(rows: a.rows, columns: a.columns) { a[$0, $1] * b[$0, $1] }
    }
    let squares = hadamard(
      Matrix.product(columns, columns, transposingLeft: true),
      Matrix.product(rows, rows, transposingRight: true))
    let shares = hadamard(
      Matrix.product(columns, left, transposingLeft: true),
      Matrix.product(rows, right, transposingRight: true))
    let sums = Matrix(rows: terms.count, columns: 1) { row, _ in
      (0..<shares.columns).reduce(0) { $0 + shares[row, $1] }
    }
    return try LeastSquares.rightFactor(of: sums, left: squares).elements
  }

  /// The middle by which given terms come nearest, `X Y ~ C U R`: `U = C^+ X Y R^+`, `[r, r]`.
  ///
  /// - Throws: ``LowRankError`` where there are no terms, or one is not there.
  public func bestMiddle(_ terms: [Int]) throws(LowRankError) -> Matrix {
    let (columns, rows) = try factors(terms)
    if terms.isEmpty { throw .rank(0, most: norms.count) }
    let inner = try LeastSquares.rightFactor(of: left, left: columns)
    return inner.times(try LeastSquares.leftFactor(of: right, right: rows))
  }

  /// C and R.
  private func factors(_ terms: [Int]) throws(LowRankError) -> (Matrix, Matrix) {
    try left.check(columnIndices: terms)
    return (left.selecting(columns: terms), right.selecting(rows: terms))
  }
}
