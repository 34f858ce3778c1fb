import Randomness

/// Centres that stand for vectors with a small mean squared distance (Lloyd's iterations).
///
/// Lloyd, "Least squares quantization in PCM", 1982. A centre that no vector is nearest to is put
/// where the vector farthest from its own centre is, so that all centres end up in use.
public struct KMeans: Sendable {
  /// Numbers in a vector, d.
  public let dimension: Int
  /// Rounds of assigning and averaging, at most.
  public let iterations: Int
  /// Whether centres have length 1, as for vectors that do (spherical k-means).
  public let onSphere: Bool

  /// The result.
  public struct Result: Sendable {
    /// The centres, `[K, d]`.
    public let centres: [Float]
    /// The sum of squared distances of vectors to their centres, before each round's averaging; it
    /// never rises.
    public let inertias: [Double]
  }

  /// Describes the work.
  public init(dimension: Int, iterations: Int = 10, onSphere: Bool = false) {
    self.dimension = dimension
    self.iterations = iterations
    self.onSphere = onSphere
  }

  /// Seeds by k-means++ and iterates.
  ///
  /// Where there are no more vectors than centres, each vector is one.
  ///
  /// - Parameters:
  ///   - count: centres, K.
  ///   - vectors: `[n, d]`.
  ///   - nearest: the centre nearest to each vector, of centres `[K, d]`.
  public func centres(
    _ count: Int, of vectors: [Float], random: inout Generator, nearest: ([Float]) -> [Int32]
  ) -> Result {
    centres(count, of: vectors, random: &random, beforeEach: {}, nearest: nearest)
  }

  /// The same; `beforeEach` is called before each seed is taken in, and may throw to end the work, as
  /// may `nearest`.
  public func centres(
    _ count: Int, of vectors: [Float], random: inout Generator,
    beforeEach: () throws -> Void, nearest: ([Float]) throws -> [Int32]
  ) rethrows -> Result {
    let seeds =
      vectors.count / dimension > count
      ? try PlusPlusSeeding.choose(
        count, of: vectors, dimension: dimension, random: &random, beforeEach: beforeEach) : []
    guard seeds.count == count else {
      let sampled = CodeSampling.sample(count, of: vectors, dimension: dimension, random: &random)
      return Result(centres: sampled, inertias: [])
    }
    return try refine(
      seeds.flatMap { vectors[$0 * dimension..<($0 + 1) * dimension] }, for: vectors,
      nearest: nearest)
  }

  /// Iterates from given centres `[K, d]`, until no vector changes its centre or the rounds are over.
  public func refine(
    _ start: [Float], for vectors: [Float], nearest: ([Float]) throws -> [Int32]
  ) rethrows -> Result {
    var (centres, inertias, before) = (start, [Double](), [Int32]())
    for _ in 0..<iterations {
      let assigned = try nearest(centres)
      let distances = distances(of: vectors, to: centres, assigned)
      inertias.append(distances.reduce(0, +))
      if assigned == before { break }
      before = assigned
      move(&centres, vectors, assigned, distances)
    }
    return Result(centres: centres, inertias: inertias)
  }

  private func distances(
    of vectors: [Float], to centres: [Float], _ assigned: [Int32]
  ) -> [Double] {
    assigned.enumerated().map { vector, centre in
      guard centre >= 0 else { return 0 }
      var sum = 0.0
      for channel in 0..<dimension {
        let difference =
          Double(vectors[vector * dimension + channel])
          - Double(centres[Int(centre) * dimension + channel])
        sum += difference * difference
      }
      return sum
    }
  }

  /// Puts each centre at the mean of its vectors, and those without any at the farthest vectors.
  private func move(
    _ centres: inout [Float], _ vectors: [Float], _ assigned: [Int32], _ distances: [Double]
  ) {
    let count = centres.count / dimension
    var sums = [Double](repeating: 0, count: centres.count)
    var members = [Int](repeating: 0, count: count)
    for (vector, centre) in assigned.enumerated() where centre >= 0 {
      members[Int(centre)] += 1
      for channel in 0..<dimension {
        sums[Int(centre) * dimension + channel] += Double(vectors[vector * dimension + channel])
      }
    }
    let empty = members.indices.filter { members[$0] == 0 }
    for centre in 0..<count where members[centre] > 0 {
      let places = centre * dimension..<(centre + 1) * dimension
      let length = sums[places].reduce(0) { $0 + $1 * $1 }.squareRoot()
      let divisor = onSphere ? length : Double(members[centre])
      guard divisor > 0 else { continue }
      for place in places { centres[place] = Float(sums[place] / divisor) }
    }
    for (centre, vector) in zip(empty, farthest(empty.count, distances)) {
      for channel in 0..<dimension {
        centres[centre * dimension + channel] = vectors[vector * dimension + channel]
      }
    }
  }

  /// The vectors farthest from their centres, excluding those at distance 0.
  private func farthest(_ count: Int, _ distances: [Double]) -> [Int] {
    guard count > 0 else { return [] }
    let away = distances.indices.filter { distances[$0] > 0 }
    return Array(
      away.sorted { (-distances[$0], $0) < (-distances[$1], $1) }.prefix(count))
  }
}

// MARK: - Seeding

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

// MARK: - Distances

/// Vectors channel by channel, `[d, n]`, n rounded up to whole blocks of eight: one sweep computes
/// the distances of eight vectors to a point, whatever d is.
struct ChannelBlocks {
  typealias Block = SIMD8<Float>

  let dimension: Int
  /// The vectors, n.
  let count: Int
  /// Blocks in a channel.
  let blocks: Int
  private var numbers: [Block]

  /// Takes vectors `[n, d]`.
  init(_ vectors: [Float], dimension: Int) {
    self.dimension = dimension
    count = vectors.count / dimension
    blocks = (count + 7) / 8
    numbers = Array(repeating: .zero, count: dimension * blocks)
    for vector in 0..<count {
      for channel in 0..<dimension {
        numbers[channel * blocks + vector / 8][vector % 8] = vectors[vector * dimension + channel]
      }
    }
  }

  /// The squared distances of a block's vectors to a point, for each block in turn.
  @inline(__always)
  func distances(to point: [Float], _ body: (_ block: Int, _ squared: Block) -> Void) {
    numbers.withUnsafeBufferPointer { numbers in
      point.withUnsafeBufferPointer { point in
        for block in 0..<blocks {
          var squared = Block.zero
          for channel in 0..<dimension {
            let difference = numbers[channel * blocks + block] - point[channel]
            squared += difference * difference
          }
          body(block, squared)
        }
      }
    }
  }
}

/// A codebook of vectors that are sampled from a set.
public enum CodeSampling {
  /// Samples without replacement while there are vectors enough; further codes are samples moved by
  /// a hundredth of the vectors' spread, so that no two codes are equal.
  ///
  /// - Parameters:
  ///   - count: codes, K.
  ///   - vectors: `[n, d]`, at least one.
  /// - Returns: `[K, d]`.
  public static func sample(
    _ count: Int, of vectors: [Float], dimension: Int, random: inout Generator
  ) -> [Float] {
    let available = vectors.count / dimension
    precondition(available > 0, "there is a vector to sample")
    let order = random.permutation(of: available)
    let spread = deviation(vectors)
    var codebook: [Float] = []
    codebook.reserveCapacity(count * dimension)
    for code in 0..<count {
      let row = order[code % available]
      let isRepeated = code >= available
      for channel in 0..<dimension {
        let noise = isRepeated ? random.normal() * spread * 0.01 : 0
        codebook.append(vectors[row * dimension + channel] + noise)
      }
    }
    return codebook
  }

  /// The standard deviation of numbers.
  public static func deviation(_ numbers: [Float]) -> Float {
    let count = Double(numbers.count)
    let mean = numbers.reduce(0.0) { $0 + Double($1) } / count
    let variance = numbers.reduce(0.0) { $0 + (Double($1) - mean) * (Double($1) - mean) } / count
    return Float(variance.squareRoot())
  }
}
