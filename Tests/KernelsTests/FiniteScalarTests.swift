import Foundation
import Kernels
import Testing

@Suite struct FiniteScalarTests {
  func bound(_ b: LevelBoundForm, _ z: [Float], _ levels: [Int32]) -> [Float] {
    var y = z
    y.withUnsafeMutableBufferPointer {
      boundLevels(
        b, rows: z.count / levels.count, channels: levels.count, levels: levels,
        $0.baseAddress!, into: $0.baseAddress!)
    }
    return y
  }

  func slope(_ b: LevelBoundForm, _ g: [Float], _ z: [Float], _ levels: [Int32]) -> [Float] {
    var y = g
    y.withUnsafeMutableBufferPointer {
      boundLevelsGradient(
        b, rows: z.count / levels.count, channels: levels.count, levels: levels,
        outputGradient: $0.baseAddress!, z: z, into: $0.baseAddress!)
    }
    return y
  }

  func rounded(_ x: [Float]) -> [Float] {
    var y = x
    roundHalfEven(count: x.count, x, into: &y)
    return y
  }

  func pack(_ digits: [Float], _ levels: [Int32]) -> [Int32] {
    let rows = digits.count / levels.count
    var indices = [Int32](repeating: 77, count: rows)
    packDigits(
      rows: rows, channels: levels.count, levels: levels, digits: digits, into: &indices)
    return indices
  }

  func unpack(_ indices: [Int32], _ levels: [Int32]) -> [Float] {
    var digits = [Float](repeating: 77, count: indices.count * levels.count)
    unpackDigits(
      rows: indices.count, channels: levels.count, levels: levels, indices: indices, into: &digits)
    return digits
  }

  /// The definition, in Double.
  static func twin(_ b: LevelBoundForm, _ z: Double, _ levels: Int32) -> Double {
    let l = Double(levels)
    if b == .sigmoid { return (l - 1) / (1 + exp(-z)) }
    if b == .ifsq { return (l - 1) / 2 * (2 / (1 + exp(-1.6 * z)) - 1) + (l - 1) / 2 }
    let half = (l - 1) * (b == .tanhWide ? 1 + 1e-3 : 1 - 1e-3) / 2
    let offset = levels % 2 == 0 ? 0.5 : 0
    let shift = offset == 0 ? 0 : b == .tanhWide ? atanh(offset / half) : tan(offset / half)
    return tanh(z + shift) * half - offset + floor(l / 2)
  }

  @Test func fsq1() {
    let (z, levels): ([Float], [Int32]) = ([-1.2, 0.3, 2, -0.4], [8, 5, 5, 5])
    let s = bound(.sigmoid, z, levels)
    #expect(distance(s, [1.62032651551, 2.29777006725, 3.52318831191, 1.60524935955]) < 1e-6)
    #expect(rounded(s) == [2, 2, 4, 2])
    #expect(pack(rounded(s), levels) == [578])
    let ones: [Float] = [1, 1, 1, 1]
    let slopes = [1.24526108453, 0.977833246763, 0.419974341614, 0.961042982966]
    #expect(distance(slope(.sigmoid, ones, z, levels), slopes) < 1e-6)
    let upstream = [0.622630542264, -0.977833246763, 0.104993585404, 1.92208596593]
    #expect(distance(slope(.sigmoid, [0.5, -1, 0.25, 2], z, levels), upstream) < 1e-6)
  }

  @Test func fsq2() {
    let (z, levels): ([Float], [Int32]) = ([0.25, 0.6, -7], [3, 5, 4])
    let y = bound(.tanh, z, levels)
    let middle: [Double] = [1, 2, 2]
    let bounded = [0.244673743741, 1.07302503486, -1.99849501529]
    #expect(distance(y, zip(bounded, middle).map { $0 + $1 }) < 1e-6)
    #expect(rounded(y) == [1, 3, 0])
    #expect(pack(rounded(y), levels) == [10])
    // The fact gives slopes of the normalised code: of the digit, over floor(L / 2).
    let slopes = [0.939074833958, 2 * 0.710866184825, 2 * 4.98470162431e-06]
    let found = slope(.tanh, [1, 1, 1], z, levels)
    #expect(distance(found, slopes) < 1e-6)
    #expect(abs(Double(found[2]) / slopes[2] - 1) < 1e-5)
  }

  @Test func fsq3() {
    #expect(unpack([437], [8, 5, 5, 5]) == [5, 4, 0, 2])
    #expect(pack([5, 4, 0, 2], [8, 5, 5, 5]) == [437])
    #expect(pack([7, 4, 4, 4], [8, 5, 5, 5]) == [999])
  }

  @Test func fsq5() {
    let s = bound(.sigmoid, [0, 0, 0, 0], [5, 6, 7, 8])
    #expect(s == [2, 2.5, 3, 3.5])
    #expect(rounded(s) == [2, 2, 3, 4])
    let f = zip(bound(.tanh, [0, 0, 0], [4, 6, 8]), [2, 3, 4]).map { $0 - $1 }
    let exact = [-0.000428508489778, -5.42629039303e-05, -1.4033813193e-05]
    #expect(distance(f, exact) < 1e-6)
  }

  @Test func fsq7() {
    let levels: [Int32] = [6, 6, 6, 6]
    let s = bound(.sigmoid, [-3, -0.5, 0.2, 4, 0, 0, 0, 0], levels)
    let exact = [0.237129365888, 1.88770334399, 2.74916998656, 4.91006895019, 2.5, 2.5, 2.5, 2.5]
    #expect(distance(s, exact) < 1e-6)
    #expect(rounded(s) == [0, 2, 3, 5, 2, 2, 2, 2])
    #expect(pack(rounded(s), levels) == [1200, 518])
  }

  @Test(arguments: LevelBoundForm.allCases, [0, 1, 7, 8, 9, 15, 16, 17, 33])
  func valuesAndSlopes(b: LevelBoundForm, rows: Int) {
    let levels: [Int32] = [2, 3, 4, 5, 8, 15, 1]
    let z = noise(rows * levels.count, seed: 1, size: 4)
    let g = noise(z.count, seed: 2)
    let exact = z.exact
    #expect(
      distance(
        bound(b, z, levels), z.indices.map { Self.twin(b, exact[$0], levels[$0 % levels.count]) })
        < 1e-6)
    let expected = slopes(at: exact) { z in
      z.indices.reduce(0) {
        $0 + Double(g[$1]) * Self.twin(b, z[$1], levels[$1 % levels.count])
      }
    }
    #expect(distance(slope(b, g, z, levels), expected) < 1e-6)
  }

  @Test(arguments: LevelBoundForm.allCases) func digitsStayInRange(b: LevelBoundForm) {
    let levels: [Int32] = [1, 2, 3, 4, 5, 6, 7, 8, 9, 16, 33, 64]
    let extremes: [Float] = [-.infinity, -1e30, -50, -9, 0, 9, 50, 1e30, .infinity]
    let z = extremes.flatMap { [Float](repeating: $0, count: levels.count) }
    let digits = rounded(bound(b, z, levels))
    for (i, digit) in digits.enumerated() {
      #expect(digit >= 0 && digit <= Float(levels[i % levels.count] - 1))
    }
    #expect(Array(digits[..<levels.count]).allSatisfy { $0 == 0 })
    #expect(Array(digits.suffix(levels.count)) == levels.map { Float($0 - 1) })
  }

  /// The digit is round(f) + floor(L / 2), and adding floor(L / 2) before the rounding must not
  /// change it, not even within a step of Float of a tie.
  @Test(arguments: [Int32(2), 3, 4, 5, 6, 7, 8, 11]) func tiesRoundAsBeforeTheShift(levels: Int32) {
    let half = Double(levels - 1) * 0.999 / 2
    let offset = levels % 2 == 0 ? 0.5 : 0
    let shift = offset == 0 ? 0 : tan(offset / half)
    let middle = Float(levels / 2)
    var seen = 0
    for tie in stride(from: -4.5, through: 4.5, by: 1) where abs(tie + offset) < half {
      var z = [Float(atanh((tie + offset) / half) - shift)]
      for _ in 0..<200 { z[0] = z[0].nextDown }
      for _ in 0..<400 { z.append(z[z.count - 1].nextUp) }
      let y = bound(.tanh, z, [levels])
      let digits = rounded(y)
      // f as the kernel has it: the same operations of Float, in the same order.
      var f = z.map { $0 + Float(shift) }
      f.withUnsafeMutableBufferPointer {
        tanh(count: $0.count, $0.baseAddress!, into: $0.baseAddress!)
      }
      f = f.map { $0 * Float(half) - Float(offset) }
      let expected = rounded(f).map { $0 + middle }
      #expect(z.indices.filter { digits[$0] != expected[$0] } == [])
      // Away from the rounding error of f the digit is known.
      let exact = z.map { Self.twin(.tanh, Double($0), levels) - Double(middle) }
      let wrong = z.indices.filter {
        abs(exact[$0] - tie) > 3e-6
          && Double(digits[$0]) != exact[$0].rounded(.toNearestOrEven) + Double(middle)
      }
      #expect(wrong.isEmpty)
      seen += 1
    }
    #expect(seen >= 1)
  }

  @Test func roundingTakesHalvesToEven() {
    #expect(rounded([0.5, 1.5, 2.5, -0.5, -1.5, 2.4, 2.6, 7.5]) == [0, 2, 2, 0, -2, 2, 3, 8])
    #expect(rounded([.nan])[0].isNaN)
  }

  @Test func everyIndexSurvivesUnpackingAndPacking() {
    let levels: [Int32] = [3, 5, 4, 2]
    let all = (0..<Int32(120)).map { $0 }
    #expect(pack(unpack(all, levels), levels) == all)
  }

  @Test func whatIsNoDigitHasNoIndex() {
    let levels: [Int32] = [3, 5]
    for bad: Float in [.nan, .infinity, -.infinity, -1, 5] {
      #expect(pack([1, 2, 0, bad, 2, 4], levels) == [7, -1, 14])
    }
    #expect(pack([3, 0], levels) == [-1])
    #expect(unpack([-1, 15, 14], levels)[..<4].allSatisfy { $0.isNaN })
    #expect(unpack([-1, 15, 14], levels)[4...] == [2, 4])
  }

  @Test func aNaNStaysOne() {
    for b in LevelBoundForm.allCases {
      #expect(rounded(bound(b, [.nan, 0], [4, 4]))[0].isNaN)
    }
  }

  @Test func theLargestCodebookFits() {
    // 2^31 - 1 is prime, so it takes one channel; two of 46340 come near it.
    #expect(pack([46_339, 46_339], [46_340, 46_340]) == [46_340 * 46_340 - 1])
    #expect(unpack([46_340 * 46_340 - 1], [46_340, 46_340]) == [46_339, 46_339])
  }
}
