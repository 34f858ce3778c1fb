import Foundation
import Kernels
import Testing

@Suite struct BitEntropyTests {
  /// The distribution of one row over all codes with elements `+length` and `-length`, by the
  /// distances to them: exp(-|z - c|^2 / temperature), normalized.
  static func distribution(_ z: [Double], length: Double, temperature: Double) -> [Double] {
    let weights = (0..<(1 << z.count)).map { code in
      let distance = z.indices.reduce(0.0) { sum, d in
        let element = code >> d & 1 == 1 ? length : -length
        return sum + (z[d] - element) * (z[d] - element)
      }
      return exp(-distance / temperature)
    }
    return weights.map { $0 / weights.reduce(0, +) }
  }

  static func entropy(_ p: [Double]) -> Double {
    p.reduce(0) { $1 > 0 ? $0 - $1 * log($1) : $0 }
  }

  static func rows(_ z: [Double], _ bits: Int) -> [[Double]] {
    stride(from: 0, to: z.count, by: bits).map { Array(z[$0..<($0 + bits)]) }
  }

  static func meanEntropy(_ z: [Double], bits: Int, _ length: Double, _ temperature: Double)
    -> Double
  {
    let rows = rows(z, bits)
    return rows.reduce(0) {
      $0 + entropy(distribution($1, length: length, temperature: temperature)) / Double(rows.count)
    }
  }

  static func entropyOfMean(
    _ z: [Double], bits: Int, group: Int, _ length: Double, _ temperature: Double
  ) -> Double {
    stride(from: 0, to: bits, by: group).reduce(0) { total, start in
      let parts = rows(z, bits).map { Array($0[start..<min(bits, start + group)]) }
      var mean = [Double](repeating: 0, count: 1 << parts[0].count)
      for part in parts {
        let p = distribution(part, length: length, temperature: temperature)
        for code in mean.indices { mean[code] += p[code] / Double(parts.count) }
      }
      return total + entropy(mean)
    }
  }

  func ofMean(
    _ z: [Float], rows: Int, group: Int, scale: Float, factor: Float = 1
  ) -> (value: Double, shares: [Float], gradient: [Float]) {
    let bits = z.count / rows
    var workspace = [Float](repeating: .nan, count: meanBitsWorkspace(group: group)) + [77]
    var shares = [Float](repeating: .nan, count: ((bits + group - 1) / group) << group) + [77]
    let value = entropyOfMeanBits(
      rows: rows, bits: bits, group: group, scale: scale, z, shares: &shares,
      workspace: &workspace)
    var gradient = [Float](repeating: .nan, count: z.count) + [77]
    entropyOfMeanBitsGradient(
      rows: rows, bits: bits, group: group, scale: scale, factor: factor, z, shares: shares,
      into: &gradient, workspace: &workspace)
    #expect(workspace.last == 77 && shares.last == 77 && gradient.last == 77)
    return (value, Array(shares.dropLast()), Array(gradient.dropLast()))
  }

  /// Independent bits are the distribution by distances to all codes.
  @Test(arguments: [(1, 1), (3, 1), (5, 7), (9, 3)], [(1.0, 1.0), (0.5, 0.3), (0.3, 5)])
  func entropyOfVectors(shape: (bits: Int, rows: Int), form: (length: Double, temperature: Double))
  {
    let z = noise(shape.bits * shape.rows, seed: 1, size: 1.5)
    let scale = Float(4 * form.length / form.temperature)
    let found = entropyOfBits(rows: shape.rows, bits: shape.bits, scale: scale, z)
    func twin(_ z: [Double]) -> Double {
      Self.meanEntropy(z, bits: shape.bits, form.length, form.temperature)
    }
    #expect(abs(found - twin(z.exact)) < 1e-5)
    var gradient = [Float](repeating: .nan, count: z.count)
    entropyOfBitsGradient(
      rows: shape.rows, bits: shape.bits, scale: scale, factor: 0.7, z, into: &gradient)
    #expect(distance(gradient, slopes(at: z.exact) { 0.7 * twin($0) }) < 1e-5)
  }

  @Test(arguments: [(1, 1, 1), (3, 1, 3), (5, 7, 2), (5, 7, 5), (7, 4, 3), (8, 5, 8), (6, 9, 1)])
  func entropyOfTheMean(bits: Int, rows: Int, group: Int) {
    let z = noise(bits * rows, seed: 2, size: 1.5)
    for (length, temperature) in [(1.0, 2.0), (0.4, 0.5)] {
      let scale = Float(4 * length / temperature)
      let found = ofMean(z, rows: rows, group: group, scale: scale, factor: -0.6)
      func twin(_ z: [Double]) -> Double {
        Self.entropyOfMean(z, bits: bits, group: group, length, temperature)
      }
      #expect(abs(found.value - twin(z.exact)) < 1e-5)
      #expect(distance(found.gradient, slopes(at: z.exact) { -0.6 * twin($0) }) < 1e-5)
      // Each group's shares sum to one.
      for start in stride(from: 0, to: found.shares.count, by: 1 << group) {
        #expect(abs(found.shares[start..<(start + 1 << group)].reduce(0, +) - 1) < 1e-5)
      }
    }
  }

  /// Bits that are copies of each other: groups of one see two codes' worth in each, a group of all
  /// sees that there are but two codes.
  @Test func onlyAGroupSeesThatBitsAgree() {
    let z: [Float] = [9, 9, 9, -9, -9, -9]
    #expect(abs(ofMean(z, rows: 2, group: 1, scale: 4).value - 3 * log(2)) < 1e-6)
    #expect(abs(ofMean(z, rows: 2, group: 3, scale: 4).value - log(2)) < 1e-6)
  }

  @Test func theTailsAreExact() {
    // h is about (t + 1) exp(-t), far below the rounding of 1 - p.
    let found = entropyOfBits(rows: 1, bits: 1, scale: 1, [60])
    #expect(abs(found / (61 * exp(-60)) - 1) < 1e-6)
    let z: [Float] = [1e30, -1e30, 800, -800]
    #expect(entropyOfBits(rows: 1, bits: 4, scale: 1, z) == 0)
    #expect(ofMean(z, rows: 1, group: 4, scale: 1).value == 0)
    #expect(ofMean(z, rows: 1, group: 2, scale: 1).gradient == [0, 0, 0, 0])
    #expect(entropyOfBits(rows: 0, bits: 4, scale: 1, []) == 0)
  }

  @Test func aNaNIsNotHidden() {
    #expect(entropyOfBits(rows: 1, bits: 2, scale: 1, [.nan, 1]).isNaN)
    let found = ofMean([.nan, 1], rows: 1, group: 2, scale: 1)
    #expect(found.value.isNaN && found.gradient.allSatisfy { $0.isNaN })
  }
}
