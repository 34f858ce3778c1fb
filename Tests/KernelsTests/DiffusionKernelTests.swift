import Foundation
import Kernels
import Testing

/// Noise that is normal, waves that are accurate.
@Suite struct DiffusionKernelTests {
  private func noise(_ elements: Int, keys: [Int32], site: UInt32 = 1) -> [Float] {
    var y = [Float](repeating: .nan, count: elements * keys.count)
    normalNoise(items: keys.count, elements: elements, site: site, keys: keys, into: &y)
    return y
  }

  /// Moments, neighbours, and the shares between quantiles of a million numbers.
  @Test func noiseIsNormal() {
    let y = noise(1000, keys: (0..<1000).map { Int32($0) }).map(Double.init)
    let n = Double(y.count)
    func mean(_ f: (Double) -> Double) -> Double { y.reduce(0) { $0 + f($1) } / n }
    #expect(abs(mean { $0 }) < 0.005)
    #expect(abs(mean { $0 * $0 } - 1) < 0.008)
    #expect(abs(mean { $0 * $0 * $0 }) < 0.02)
    #expect(abs(mean { pow($0, 4) } - 3) < 0.06)
    let pairs = zip(y, y.dropFirst()).reduce(0) { $0 + $1.0 * $1.1 } / n
    let rows = zip(y, y.dropFirst(1000)).reduce(0) { $0 + $1.0 * $1.1 } / n
    #expect(abs(pairs) < 0.005 && abs(rows) < 0.005)
    for bound in [-3, -2, -1, -0.3, 0, 0.5, 1.5, 2.5, 3.5] {
      let share = Double(y.count { $0 < bound }) / n
      let expected = erfc(-bound / 2.0.squareRoot()) / 2
      #expect(abs(share - expected) < 5 * (expected * (1 - expected) / n).squareRoot() + 1e-6)
    }
  }

  /// Different keys and sites give different noise, and an item's noise does not depend on its batch.
  @Test func noiseIsAFunctionOfKeySiteAndPlace() {
    let both = noise(37, keys: [5, -9])
    #expect(Array(both[37...]) == noise(37, keys: [-9]))
    #expect(Array(both[..<20]) == noise(20, keys: [5]))
    #expect(noise(37, keys: [5]) != noise(37, keys: [5], site: 2))
    // Not the same numbers in another order.
    #expect(Set(noise(64, keys: [1])).isDisjoint(with: noise(64, keys: [2])))
  }

  @Test func wavesAreAccurate() {
    let x = (0...200_000).map { Float(-100 + Double($0) * 1e-3) } + [1e4, -1e4, 9999.7, 0, 1e-20]
    var (s, c) = (x, x)
    sine(count: x.count, x, into: &s)
    cosine(count: x.count, x, into: &c)
    #expect(distance(s, x.map { sin(Double($0)) }) < 2e-7)
    #expect(distance(c, x.map { cos(Double($0)) }) < 2e-7)
    #expect(s[x.count - 2] == 0 && s[x.count - 1] == 1e-20)
    var edges: [Float] = [.nan, .infinity, -.infinity]
    sine(count: 3, edges, into: &edges)
    #expect(edges[0].isNaN && edges[1].isNaN && edges[2].isNaN)
  }
}
