import Randomness

extension InterpolativeDecomposition {
  /// Decomposes a matrix `[m, n]` whose columns are chosen by a random sketch of its rows.
  ///
  ///     Y = G M,  G of independent normal numbers of variance 1 / d, [d, m],  d = r + oversampling
  ///
  /// Column-pivoted QR of Y gives the skeleton; lengths and angles of the columns of Y are about
  /// those of M. The coefficients are the best for M itself, and the error is that of M. The sketch
  /// takes some `2 d m n` operations, QR of M `2 m n^2`. Halko, Martinsson and Tropp, "Finding
  /// structure with randomness", 2011, section 5.2.
  ///
  /// - Parameters:
  ///   - rank: r, 1 to n; fewer columns are taken where they are all there is.
  ///   - oversampling: rows of the sketch beyond r, at least 0.
  ///   - random: where the numbers come from; the same state gives the same skeleton.
  /// - Throws: ``LowRankError`` as ``init(of:rank:weights:)``.
  public init(
    sketching matrix: Matrix, rank: Int, oversampling: Int = 10, using random: inout Generator
  ) throws(LowRankError) {
    precondition(oversampling >= 0, "a sketch has at least as many rows as the rank")
    try matrix.check()
    try matrix.check(columns: rank, nil)
    let height = rank + oversampling
    guard height < matrix.rows else {
      try self.init(of: matrix, rank: rank)
      return
    }
    let deviation = 1 / Double(height).squareRoot()
    let mixture = Matrix(rows: height, columns: matrix.rows) { _, _ in
      Double(random.normal()) * deviation
    }
    let scale = matrix.safeScale
    let sketch = mixture.times(scale == 1 ? matrix : matrix.scaled(by: scale))
    try self.init(of: matrix, skeleton: Self(of: sketch, rank: rank).skeleton)
  }

  /// Decomposes a matrix `[m, n]` whose columns are chosen among some that are drawn uniformly.
  ///
  /// Column-pivoted QR of the candidates gives the skeleton; the coefficients are the best for all
  /// columns. The candidates lie where most columns do, so that the skeleton can be better than one
  /// of all columns, which has the outermost.
  ///
  /// - Parameters:
  ///   - rank: r, 1 to n; fewer columns are taken where they are all there is.
  ///   - candidates: how many columns are drawn, without repetition; at least r and at most n of
  ///     them are.
  ///   - random: where the numbers come from; the same state gives the same skeleton.
  /// - Throws: ``LowRankError`` as ``init(of:rank:weights:)``.
  public init(
    sampling matrix: Matrix, rank: Int, candidates: Int, using random: inout Generator
  ) throws(LowRankError) {
    try matrix.check()
    try matrix.check(columns: rank, nil)
    let count = min(max(candidates, rank), matrix.columns)
    let drawn = random.permutation(of: matrix.columns).prefix(count).sorted()
    let chosen = try Self(of: matrix.selecting(columns: drawn), rank: rank)
    try self.init(of: matrix, skeleton: chosen.skeleton.map { drawn[$0] })
  }
}
