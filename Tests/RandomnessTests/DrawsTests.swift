import Randomness
import Testing

/// Sum over cells of (observed - expected)^2 / expected.
private func chiSquare(_ counts: [Int], expected: Double) -> Double {
  counts.reduce(0) { $0 + (Double($1) - expected) * (Double($1) - expected) / expected }
}

@Suite struct DrawsTests {
  @Test func uniformFillsItsCells() {
    var generator = Generator(seed: 1)
    var counts = [Int](repeating: 0, count: 64)
    var least: Float = 1
    var greatest: Float = 0
    for _ in 0..<64_000 {
      let value = generator.uniform()
      least = min(least, value)
      greatest = max(greatest, value)
      counts[Int(value * 64)] += 1
    }
    #expect(least >= 0 && least < 0.001)
    #expect(greatest < 1 && greatest > 0.999)
    // 63 degrees of freedom: mean 63, deviation 11.2.
    #expect(chiSquare(counts, expected: 1000) < 120)
    #expect(chiSquare(counts, expected: 1000) > 25)
  }

  @Test func uniformInRangeStaysInside() {
    var generator = Generator(seed: 2)
    var sum = 0.0
    for _ in 0..<20_000 {
      let value = generator.uniform(in: -3..<5)
      #expect(value >= -3 && value < 5)
      sum += Double(value)
    }
    #expect(abs(sum / 20_000 - 1) < 0.1)
    // A range with a single member, where the sum would round up.
    let narrow = Float(1)..<Float(1).nextUp
    for _ in 0..<100 { #expect(generator.uniform(in: narrow) == 1) }
  }

  @Test(arguments: [1, 2, 3, 7, 10, 100]) func integersFillTheirCells(bound: Int) {
    var generator = Generator(seed: 3)
    var counts = [Int](repeating: 0, count: bound)
    for _ in 0..<(bound * 500) { counts[generator.integer(below: bound)] += 1 }
    let freedom = Double(bound - 1)
    #expect(chiSquare(counts, expected: 500) <= freedom + 5 * (2 * freedom).squareRoot())
  }

  /// With a bound of 3/4 of the range, taking remainders would favour the lower third 2 : 1.
  @Test func integersAreUnbiasedForHugeBounds() {
    var generator = Generator(seed: 4)
    let bound = Int.max / 4 * 3
    var low = 0
    for _ in 0..<30_000 where generator.integer(below: bound) < bound / 3 { low += 1 }
    #expect(abs(low - 10_000) < 500)
    #expect((0..<100).allSatisfy { _ in generator.integer(below: .max) >= 0 })
  }

  @Test(arguments: [0, 0.25, 0.5, 1]) func bernoulliHitsItsShare(probability: Double) {
    var generator = Generator(seed: 5)
    var hits = 0
    for _ in 0..<20_000 where generator.bernoulli(probability) { hits += 1 }
    let share = Double(hits) / 20_000
    if probability == 0 || probability == 1 {
      #expect(share == probability)
    } else {
      #expect(abs(share - probability) < 0.02)
    }
  }

  @Test func permutationsHoldEveryIndexOnce() {
    var generator = Generator(seed: 6)
    #expect(generator.permutation(of: 0) == [])
    #expect(generator.permutation(of: 1) == [0])
    let order = generator.permutation(of: 1000)
    #expect(order.sorted() == Array(0..<1000))
    #expect(order != Array(0..<1000))
    #expect(order != generator.permutation(of: 1000))
  }

  @Test func everyOrderIsEquallyLikely() {
    var generator = Generator(seed: 7)
    var counts: [[Int]: Int] = [:]
    for _ in 0..<24_000 { counts[generator.permutation(of: 4), default: 0] += 1 }
    #expect(counts.count == 24)
    // 23 degrees of freedom.
    #expect(chiSquare(Array(counts.values), expected: 1000) < 57)
  }

  @Test func normalHasTheRightMoments() {
    var generator = Generator(seed: 8)
    let count = 200_000
    var sums = [Double](repeating: 0, count: 4)
    var beyondTwo = 0
    for _ in 0..<count {
      let value = Double(generator.normal())
      #expect(value.isFinite)
      var power = 1.0
      for index in 0..<4 {
        power *= value
        sums[index] += power / Double(count)
      }
      if abs(value) > 2 { beyondTwo += 1 }
    }
    #expect(abs(sums[0]) < 0.012)
    #expect(abs(sums[1] - 1) < 0.016)
    #expect(abs(sums[2]) < 0.045)
    #expect(abs(sums[3] - 3) < 0.11)
    #expect(abs(Double(beyondTwo) / Double(count) - 0.0455) < 0.0024)
  }

  /// The same numbers on every platform: these are checked to the last bit.
  @Test func normalKnownAnswers() {
    var generator = Generator(seed: 42)
    let drawn = (0..<4).map { _ in generator.normal() }
    #expect(drawn == [0.99892074, 0.4842439, 0.9951652, -1.9800574])
  }

  @Test(arguments: [
    (1.0, 0.0), (2.0, 0.6931471805599453), (0.5, -0.6931471805599453),
    (10.0, 2.302585092994046), (1e-30, -69.07755278982137),
    (1.4142135623730951, 0.34657359027997264),
    (0.9999999999999999, -1.1102230246251565e-16), (1.7e308, 709.7268368932282),
  ]) func logarithm(x: Double, expected: Double) {
    let error = abs(naturalLogarithm(x) - expected)
    #expect(error <= 4 * expected.ulp)
  }
}
