/// How values spread over buckets.
///
/// Bucket i holds the values from `limits[i - 1]` (the first: from `minimum`) up to, without,
/// `limits[i]`; the last one includes its limit, the `maximum`. Neither the first nor the last
/// bucket is empty: TensorBoard drops such ones, but not the room they took.
public struct Histogram: Equatable, Sendable {
  /// Where the first bucket begins; 0 where there are no values.
  public let minimum: Double
  /// Where the last bucket ends; 0 where there are no values.
  public let maximum: Double
  /// The number of values: the sum of `counts`.
  public let count: Double
  /// The sum of the values.
  public let sum: Double
  /// The sum of the values' squares.
  public let sumOfSquares: Double
  /// The upper limits of the buckets, rising; the last is `maximum`.
  public let limits: [Double]
  /// The values in each bucket.
  public let counts: [Double]

  /// Counts values in buckets of equal width between the smallest and the largest.
  ///
  /// Values that are not finite are skipped. Where all are equal there is one bucket, of no width.
  public init(of values: [Double], buckets: Int = 30) {
    precondition(buckets > 0, "a histogram of no buckets")
    let finite = values.filter(\.isFinite)
    let low = finite.min() ?? 0
    let high = finite.max() ?? 0
    let edges = Self.edges(from: low, to: high, buckets: buckets)
    minimum = low
    maximum = high
    count = Double(finite.count)
    sum = finite.reduce(0, +)
    sumOfSquares = finite.reduce(0) { $0 + $1 * $1 }
    limits = finite.isEmpty ? [] : Array(edges.dropFirst())
    counts = finite.isEmpty ? [] : Self.counts(of: finite, in: edges)
  }

  /// Takes values that were counted elsewhere: `counts[i]` of them from `edges[i]` to
  /// `edges[i + 1]`.
  ///
  /// The sums are those of values that all lie in the middle of their buckets. Empty buckets at
  /// either end are skipped.
  public init(edges: [Double], counts: [Double]) {
    precondition(edges.count == counts.count + 1, "edges must be one more than counts")
    precondition(
      edges.allSatisfy(\.isFinite) && zip(edges, edges.dropFirst()).allSatisfy { $0 <= $1 },
      "edges must be finite and rise")
    precondition(
      counts.allSatisfy { $0 >= 0 && $0.isFinite }, "counts must be finite and not negative")
    let used = counts.indices.filter { counts[$0] > 0 }
    guard let first = used.first, let last = used.last else {
      (minimum, maximum, count, sum, sumOfSquares) = (0, 0, 0, 0, 0)
      (limits, self.counts) = ([], [])
      return
    }
    let kept = first...last
    let middles = kept.map { edges[$0] / 2 + edges[$0 + 1] / 2 }
    minimum = edges[first]
    maximum = edges[last + 1]
    limits = Array(edges[(first + 1)...(last + 1)])
    self.counts = Array(counts[kept])
    count = self.counts.reduce(0, +)
    sum = zip(self.counts, middles).reduce(0) { $0 + $1.0 * $1.1 }
    sumOfSquares = zip(self.counts, middles).reduce(0) { $0 + $1.0 * $1.1 * $1.1 }
  }

  /// Edges at equal distances, fewer where numbers lie too close for so many; the outermost are
  /// exact.
  private static func edges(from low: Double, to high: Double, buckets: Int) -> [Double] {
    var edges = [low]
    for bucket in 1..<buckets {
      // A fraction of each end, since their difference may be too large for a number.
      let share = Double(bucket) / Double(buckets)
      let edge = low * (1 - share) + high * share
      if edge > edges.last!, edge < high { edges.append(edge) }
    }
    return edges + [high]
  }

  private static func counts(of values: [Double], in edges: [Double]) -> [Double] {
    var counts = [Double](repeating: 0, count: edges.count - 1)
    let low = edges[0] / 2
    let scale = Double(counts.count) / (edges[counts.count] / 2 - low)
    for value in values {
      // Rounding may miss the bucket by one; the edges have the last word.
      let estimate = (value / 2 - low) * scale
      var bucket = estimate < Double(counts.count) ? Int(estimate) : counts.count - 1
      while bucket > 0, value < edges[bucket] { bucket -= 1 }
      while bucket < counts.count - 1, value >= edges[bucket + 1] { bucket += 1 }
      counts[bucket] += 1
    }
    return counts
  }
}
