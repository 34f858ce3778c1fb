/// Chooses diverse vectors as codes by repeated column-pivoted QR: a skeleton of the vectors.
///
/// Column-pivoted QR takes d vectors at most, whose span has everything. Codes are no basis, though: a
/// code stands for what is near it, not for multiples of itself. So each round decomposes what the
/// codes so far leave of every vector, its difference from the nearest of them,
///
///     r_i = z_i - e_k(i),  k(i) = argmin over j of |z_i - e_j|^2    (at first e = 0)
///
/// and takes up to d vectors by it. The first round is the interpolative decomposition of the vectors;
/// every further one takes those farthest from all codes, in directions that differ. The codes cover
/// the vectors' outskirts; k-means would put them where most vectors are.
public enum SkeletonCodes {
  /// Chooses among vectors `[n, d]`.
  ///
  /// - Returns: different vectors, `count` of them or as many as there are.
  public static func choose(_ count: Int, of vectors: [Float], dimension: Int) -> [Int] {
    choose(count, of: vectors, dimension: dimension, beforeEach: {})
  }

  /// The same; `beforeEach` is called before each pass over the vectors, and may throw to end the work.
  public static func choose(
    _ count: Int, of vectors: [Float], dimension: Int, beforeEach: () throws -> Void
  ) rethrows -> [Int] {
    let set = ChannelBlocks(vectors, dimension: dimension)
    var chosen: [Int] = []
    var squares = [Float](repeating: .infinity, count: set.blocks * 8)
    var owners = [Int](repeating: -1, count: set.blocks * 8)
    while chosen.count < count {
      var factors = PivotedGramSchmidt(
        dimension: dimension, count: set.count, keepingRows: false
      ) { channel, vector in
        let number = Double(vectors[vector * dimension + channel])
        let owner = owners[vector]
        return owner < 0 ? number : number - Double(vectors[owner * dimension + channel])
      }
      var round: [Int] = []
      while round.count < min(dimension, count - chosen.count), let next = factors.takeNext() {
        try beforeEach()
        round.append(next)
      }
      // With no codes yet a vector of zeros has no residual, and is as new as any.
      if round.isEmpty, chosen.isEmpty { round = [0] }
      if round.isEmpty { break }
      for code in round {
        try beforeEach()
        claim(code, vectors, set, &squares, &owners)
      }
      chosen += round
    }
    return chosen
  }

  /// Gives a new code the vectors that are nearer to it than to any before.
  private static func claim(
    _ code: Int, _ vectors: [Float], _ set: ChannelBlocks, _ squares: inout [Float],
    _ owners: inout [Int]
  ) {
    let dimension = set.dimension
    let point = Array(vectors[code * dimension..<(code + 1) * dimension])
    squares.withUnsafeMutableBufferPointer { squares in
      owners.withUnsafeMutableBufferPointer { owners in
        set.distances(to: point) { block, squared in
          for lane in 0..<8 where squared[lane] < squares[block * 8 + lane] {
            squares[block * 8 + lane] = squared[lane]
            owners[block * 8 + lane] = code
          }
        }
      }
    }
  }
}

// MARK: - Column-pivoted QR

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

// MARK: - Interpolative decomposition

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
