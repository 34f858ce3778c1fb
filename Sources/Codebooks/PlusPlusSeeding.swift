import Randomness

/// The seeding of k-means++: each centre is a vector drawn with a probability in proportion to its
/// squared distance to the nearest centre so far.
///
/// Arthur and Vassilvitskii, "k-means++: the advantages of careful seeding", 2007. It costs n K d
/// multiply-adds.
enum PlusPlusSeeding {
  /// Blocks whose distances are summed together, so that a draw need not pass over all vectors.
  private static let group = 64

  /// Chooses centres among vectors `[n, d]`; fewer than asked for where all vectors are centres.
  ///
  /// - Parameter beforeEach: called before each centre is taken in; may throw to end the work.
  static func choose(
    _ count: Int, of vectors: [Float], dimension: Int, random: inout Generator,
    beforeEach: () throws -> Void
  ) rethrows -> [Int] {
    let set = ChannelBlocks(vectors, dimension: dimension)
    // Vectors beyond the last do not exist: they are at distance 0 of everything.
    var nearest = [SIMD8<Float>](repeating: SIMD8(repeating: .infinity), count: set.blocks)
    for lane in set.count..<set.blocks * 8 { nearest[lane / 8][lane % 8] = 0 }
    var groups = [Double](repeating: 0, count: (set.blocks + group - 1) / group)
    var chosen = [random.integer(below: set.count)]
    while true {
      try beforeEach()
      let centre = chosen.last!
      let point = Array(vectors[centre * dimension..<(centre + 1) * dimension])
      update(&nearest, &groups, set, point)
      guard chosen.count < count, let next = draw(nearest, groups, &random) else { return chosen }
      chosen.append(next)
    }
  }

  private static func update(
    _ nearest: inout [SIMD8<Float>], _ groups: inout [Double], _ set: ChannelBlocks,
    _ point: [Float]
  ) {
    nearest.withUnsafeMutableBufferPointer { nearest in
      groups.withUnsafeMutableBufferPointer { groups in
        groups.update(repeating: 0)
        set.distances(to: point) { block, squared in
          let least = pointwiseMin(nearest[block], squared)
          nearest[block] = least
          groups[block / group] += Double(least.sum())
        }
      }
    }
  }

  /// A vector in proportion to its distance; nil if all are 0.
  private static func draw(
    _ nearest: [SIMD8<Float>], _ groups: [Double], _ random: inout Generator
  ) -> Int? {
    let total = groups.reduce(0, +)
    guard total > 0 else { return nil }
    var rest = random.uniformDouble() * total
    var last: Int?
    for (index, sum) in groups.enumerated() where sum > 0 {
      // Rounding may leave something after the last group: then it is the last vector of that.
      if rest >= sum, groups[(index + 1)...].contains(where: { $0 > 0 }) {
        rest -= sum
        continue
      }
      for block in index * group..<min((index + 1) * group, nearest.count) {
        for lane in 0..<8 where nearest[block][lane] > 0 {
          last = block * 8 + lane
          rest -= Double(nearest[block][lane])
          if rest < 0 { return last }
        }
      }
      return last
    }
    return last
  }
}
