import Codebooks
import Randomness
import Testing

/// k-means on mixtures, with a plain loop for the nearest centre.
struct KMeansTests {
  /// Clusters of vectors around far points.
  static func mixture(_ clusters: Int, each: Int, dimension: Int, seed: UInt64 = 3) -> [Float] {
    var random = Generator(seed: seed)
    let middles = (0..<clusters * dimension).map { _ in random.normal() * 8 }
    return (0..<clusters * each).flatMap { vector in
      (0..<dimension).map { middles[vector % clusters * dimension + $0] + random.normal() * 0.1 }
    }
  }

  static func nearest(_ vectors: [Float], _ dimension: Int) -> ([Float]) -> [Int32] {
    { centres in
      (0..<vectors.count / dimension).map { vector in
        var (best, least) = (0, Double.infinity)
        for centre in 0..<centres.count / dimension {
          let distance = (0..<dimension).reduce(0.0) { sum, channel in
            let x = Double(vectors[vector * dimension + channel])
            let difference = x - Double(centres[centre * dimension + channel])
            return sum + difference * difference
          }
          if distance < least { (best, least) = (centre, distance) }
        }
        return Int32(best)
      }
    }
  }

  /// The sum of squared distances to the nearest centres.
  static func inertia(_ vectors: [Float], _ centres: [Float], _ dimension: Int) -> Double {
    zip(nearest(vectors, dimension)(centres), 0...).reduce(0.0) { sum, pair in
      sum
        + (0..<dimension).reduce(0.0) {
          let x = Double(vectors[pair.1 * dimension + $1])
          let difference = x - Double(centres[Int(pair.0) * dimension + $1])
          return $0 + difference * difference
        }
    }
  }

  @Test("the inertia never rises, whatever the start", arguments: 0..<6)
  func inertiaFalls(_ seed: Int) {
    var random = Generator(seed: UInt64(seed))
    let vectors = (0..<300 * 3).map { _ in random.normal() }
    // Half of the centres are where no vector is nearest to them.
    let start = (0..<20 * 3).map { _ in random.normal() * (seed.isMultiple(of: 2) ? 1 : 30) }
    let result = KMeans(dimension: 3, iterations: 30).refine(
      start, for: vectors, nearest: Self.nearest(vectors, 3))
    #expect(result.inertias.count > 3)
    for (before, after) in zip(result.inertias, result.inertias.dropFirst()) {
      #expect(after <= before * (1 + 1e-6))
    }
    #expect(Self.inertia(vectors, result.centres, 3) <= result.inertias.last! * (1 + 1e-6))
    #expect(Set(Self.nearest(vectors, 3)(result.centres)).count == 20, "every centre is in use")
  }

  @Test("on a mixture it finds every cluster, where sampling finds some")
  func mixtures() {
    let vectors = Self.mixture(24, each: 30, dimension: 5)
    var (first, second) = (Generator(seed: 9), Generator(seed: 9))
    let result = KMeans(dimension: 5).centres(
      24, of: vectors, random: &first, nearest: Self.nearest(vectors, 5))
    let sampled = CodeSampling.sample(24, of: vectors, dimension: 5, random: &second)
    let found = Self.inertia(vectors, result.centres, 5)
    // Noise of 0.1 in each of five channels.
    #expect(found < 2 * 24 * 30 * 5 * 0.01)
    #expect(Self.inertia(vectors, sampled, 5) > 20 * found)
    var again = Generator(seed: 9)
    let same = KMeans(dimension: 5).centres(
      24, of: vectors, random: &again, nearest: Self.nearest(vectors, 5))
    #expect(same.centres == result.centres)
  }

  @Test("centres of directions are directions")
  func directions() {
    var random = Generator(seed: 4)
    let vectors = (0..<200).flatMap { _ in
      let v = (0..<3).map { _ in random.normal() }
      let length = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      return v.map { $0 / length }
    }
    let result = KMeans(dimension: 3, onSphere: true).centres(
      10, of: vectors, random: &random, nearest: Self.nearest(vectors, 3))
    for centre in 0..<10 {
      let square = result.centres[centre * 3..<centre * 3 + 3].reduce(0) { $0 + $1 * $1 }
      #expect(abs(square - 1) < 1e-5)
    }
    for (before, after) in zip(result.inertias, result.inertias.dropFirst()) {
      #expect(after <= before * (1 + 1e-6))
    }
  }

  @Test("with no more vectors than centres each vector is one, and no two centres are equal")
  func fewVectors() {
    let vectors = Self.mixture(5, each: 2, dimension: 2)
    var random = Generator(seed: 1)
    let result = KMeans(dimension: 2).centres(16, of: vectors, random: &random) { _ in [] }
    let rows = Set((0..<16).map { Array(result.centres[$0 * 2..<$0 * 2 + 2]) })
    #expect(rows.count == 16)
    #expect((0..<10).allSatisfy { rows.contains(Array(vectors[$0 * 2..<$0 * 2 + 2])) })
    // Many equal vectors are few.
    let equal = (0..<80).map { Float($0 % 2) }
    let centres = KMeans(dimension: 2).centres(3, of: equal, random: &random) { _ in [] }.centres
    #expect(centres.count == 6 && centres.allSatisfy(\.isFinite))
  }
}
