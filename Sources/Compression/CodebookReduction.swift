import Codebooks

/// A smaller codebook in the place of a codebook, with the new id of every old one.
public struct CodebookReduction: Sendable, Equatable {
  /// How the codes of a smaller codebook are found.
  public enum Method: String, Sendable, CaseIterable {
    /// Codes whose differences from those already kept are largest, weighted by use: repeated interpolative
    /// decompositions.
    case skeleton
    /// Codes near each other become their mean, weighted by use: Lloyd's iterations from the codes used most.
    case kMeans = "k-means"
    /// The codes used most stay.
    case rarest
  }

  /// How it was made.
  public let method: Method
  /// The new codes, `[n, d]`.
  public let codes: [Float]
  /// The new id of each old one: that of the nearest new code.
  public let ids: [Int32]
  /// The squared distance between a token's old code and its new one, mean over the tokens that were counted.
  public let displacement: Double

  private static let mostRounds = 50

  /// Makes a codebook smaller.
  ///
  /// - Parameters:
  ///   - codes: the codebook, `[K, d]`.
  ///   - dimension: d.
  ///   - counts: how often each code is used; at least one is.
  ///   - size: codes to keep, n, fewer than K.
  public init(
    _ method: Method, of codes: [Float], dimension: Int, counts: [Int], size: Int
  ) {
    precondition(size > 0 && size * dimension < codes.count, "a smaller codebook has fewer codes")
    self.method = method
    // Ties go to the lower id.
    let byUse = counts.indices.sorted { (counts[$1], $0) < (counts[$0], $1) }
    func rows(_ chosen: [Int]) -> [Float] {
      chosen.flatMap { codes[$0 * dimension..<($0 + 1) * dimension] }
    }
    var kept: [Float]
    switch method {
    case .rarest: kept = rows(byUse.prefix(size).sorted())
    case .skeleton:
      var chosen = SkeletonCodes.choose(
        size, of: codes, dimension: dimension, weights: counts.map { Double($0).squareRoot() })
      // Where all that is used is kept already, the rest is of no use, and any will do.
      let taken = Set(chosen)
      chosen += byUse.filter { !taken.contains($0) }.prefix(size - chosen.count)
      kept = rows(chosen.sorted())
    case .kMeans: kept = rows(Array(byUse.prefix(size)))
    }
    var owners = Self.nearest(codes, in: kept, dimension)
    if method == .kMeans {
      for _ in 0..<Self.mostRounds {
        kept = Self.means(codes, counts, owners.map(\.id), previous: kept, dimension)
        let next = Self.nearest(codes, in: kept, dimension)
        let isSettled = next.map(\.id) == owners.map(\.id)
        owners = next
        if isSettled { break }
      }
    }
    self.codes = kept
    ids = owners.map { Int32($0.id) }
    let total = Double(counts.reduce(0, +))
    displacement =
      zip(owners, counts).reduce(0) { $0 + $1.0.square * Double($1.1) } / max(1, total)
  }

  /// The nearest of some codes to each vector, the first of equals, and the squared distance.
  private static func nearest(
    _ vectors: [Float], in codes: [Float], _ dimension: Int
  ) -> [(id: Int, square: Double)] {
    (0..<vectors.count / dimension).map { vector in
      var best = (id: 0, square: Double.infinity)
      for id in 0..<codes.count / dimension {
        var square = 0.0
        for channel in 0..<dimension {
          let difference =
            Double(vectors[vector * dimension + channel]) - Double(codes[id * dimension + channel])
          square += difference * difference
        }
        if square < best.square { best = (id, square) }
      }
      return best
    }
  }

  /// The mean of the vectors of each code, weighted by use; one without a used vector stays.
  private static func means(
    _ vectors: [Float], _ counts: [Int], _ owners: [Int], previous: [Float], _ dimension: Int
  ) -> [Float] {
    var sums = [Double](repeating: 0, count: previous.count)
    var totals = [Double](repeating: 0, count: previous.count / dimension)
    for (vector, owner) in owners.enumerated() where counts[vector] > 0 {
      totals[owner] += Double(counts[vector])
      for channel in 0..<dimension {
        sums[owner * dimension + channel] +=
          Double(counts[vector]) * Double(vectors[vector * dimension + channel])
      }
    }
    return previous.indices.map { place in
      let total = totals[place / dimension]
      return total > 0 ? Float(sums[place] / total) : previous[place]
    }
  }
}
