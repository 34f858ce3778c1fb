import LowRank

/// Chooses diverse vectors as codes by repeated column-pivoted QR: a skeleton of the vectors.
///
/// Column-pivoted QR takes d vectors at most, whose span has everything. Codes are no basis, though: a
/// code stands for what is near it, not for multiples of itself. So each round decomposes what the
/// codes so far leave of every vector, its difference from the nearest of them,
///
///     r_i = w_i (z_i - e_k(i)),  k(i) = argmin over j of |z_i - e_j|^2    (at first e = 0)
///
/// and takes up to d vectors by it. The first round is the interpolative decomposition of the vectors;
/// every further one takes those farthest from all codes, in directions that differ. The codes cover
/// the vectors' outskirts; k-means would put them where most vectors are.
public enum SkeletonCodes {
  /// Chooses among vectors `[n, d]`.
  ///
  /// - Parameter weights: how much the difference of each vector counts; all the same where it is nil.
  /// - Returns: different vectors, `count` of them or as many as there are.
  public static func choose(
    _ count: Int, of vectors: [Float], dimension: Int, weights: [Double]? = nil
  ) -> [Int] {
    choose(count, of: vectors, dimension: dimension, weights: weights, beforeEach: {})
  }

  /// The same; `beforeEach` is called before each pass over the vectors, and may throw to end the work.
  public static func choose(
    _ count: Int, of vectors: [Float], dimension: Int, weights: [Double]? = nil,
    beforeEach: () throws -> Void
  ) rethrows -> [Int] {
    let set = ChannelBlocks(vectors, dimension: dimension)
    var chosen: [Int] = []
    var squares = [Float](repeating: .infinity, count: set.blocks * 8)
    var owners = [Int](repeating: -1, count: set.blocks * 8)
    while chosen.count < count {
      var factors = PivotedGramSchmidt(
        differences(vectors, dimension, owners, weights, count: set.count), keepingRows: false)
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

  /// What the codes so far leave of every vector, `[d, n]`.
  private static func differences(
    _ vectors: [Float], _ dimension: Int, _ owners: [Int], _ weights: [Double]?, count: Int
  ) -> Matrix {
    var elements: [Double] = []
    elements.reserveCapacity(dimension * count)
    for channel in 0..<dimension {
      for vector in 0..<count {
        let number = Double(vectors[vector * dimension + channel])
        let owner = owners[vector]
        let difference =
          owner < 0 ? number : number - Double(vectors[owner * dimension + channel])
        elements.append(difference * (weights?[vector] ?? 1))
      }
    }
    return Matrix(rows: dimension, columns: count, elements: elements)
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
