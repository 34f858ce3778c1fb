import Kernels
import Testing

/// Running averages, and the passes that measure how parameters move.
@Suite struct AverageTests {
  @Test(arguments: lengths) func anAverageFollowsItsDefinition(n: Int) {
    var (average, rest) = ([Float](repeating: 0, count: n + 1), [Float](repeating: 0, count: n + 1))
    (average[n], rest[n]) = (7, 7)
    var exact = [Double](repeating: 0, count: n)
    for step in 1...50 {
      let x = noise(n + 1, seed: UInt64(step), size: 3)
      let share = Float(1 / Double(step))
      moveAverage(count: n, towards: x, share: share, average: &average, rest: &rest)
      for i in 0..<n { exact[i] += Double(share) * (Double(x[i]) - exact[i]) }
    }
    #expect(distance(Array(average[..<n]), exact) < 1e-7)
    #expect(average[n] == 7 && rest[n] == 7)
  }

  /// In floats alone the mean would stand still: each of these steps is below half a unit in the
  /// last place.
  @Test func aLongMeanDoesNotStandStill() {
    var (average, rest): ([Float], [Float]) = ([0], [0])
    var (plain, sum) = (Float(0), 0.0)
    for step in 1...200_000 {
      let x = 1 + 1e-3 * Float(step) / 200_000
      let share = Float(1 / Double(step))
      moveAverage(count: 1, towards: [x], share: share, average: &average, rest: &rest)
      plain += share * (x - plain)
      sum += Double(x)
    }
    let mean = sum / 200_000
    #expect(abs(Double(average[0]) - mean) < 1e-7)
    #expect(abs(Double(plain) - mean) > 1e-6, "the test cannot tell: plain floats do as well")
  }

  /// With shares of 1 among them, at which an average starts anew.
  @Test(arguments: lengths) func twoMovesInOnePassAreTwoMoves(n: Int) {
    let start = (noise(n + 1, seed: 1), noise(n + 1, seed: 2, size: 1e-8))
    let (x, y) = (noise(n + 1, seed: 3), noise(n + 1, seed: 4))
    for (first, second) in [(0.25, 0.125), (1, 0.5), (0.3, 1), (0.01, 1e-5)] as [(Float, Float)] {
      var (once, twice) = (start, start)
      moveAverage(
        count: n, towards: x, share: first, then: y, share: second, average: &once.0, rest: &once.1)
      moveAverage(count: n, towards: x, share: first, average: &twice.0, rest: &twice.1)
      moveAverage(count: n, towards: y, share: second, average: &twice.0, rest: &twice.1)
      #expect(once == twice && (n == 0 || once != start))
    }
  }

  @Test func aShareOfOneStartsAnew() {
    var (average, rest): ([Float], [Float]) = ([1e8, -3], [0.25, 0.5])
    moveAverage(count: 2, towards: [0.1, 0.2], share: 1, average: &average, rest: &rest)
    #expect(average == [0.1, 0.2] && rest == [0, 0])
  }

  @Test(arguments: lengths) func productsAndDistances(n: Int) {
    let (a, b) = (noise(n + 1, seed: 3, size: 9), noise(n + 1, seed: 4, size: 9))
    let (x, y) = (Array(a[..<n]).exact, Array(b[..<n]).exact)
    #expect(abs(innerProduct(count: n, a, b) - dot(x, y)) < 1e-9)
    let difference = zip(x, y).map { $0 - $1 }
    #expect(abs(squaredDistance(count: n, a, b) - dot(difference, difference)) < 1e-9)
  }

  /// Where numbers nearly agree, their difference in Double keeps what floats hold.
  @Test func smallDistancesAreExact() {
    let a: [Float] = [1000, 1000.0001, -5]
    let b: [Float] = [1000.0001, 1000, -5.000001]
    let exact = zip(a, b).reduce(0.0) {
      $0 + (Double($1.0) - Double($1.1)) * (Double($1.0) - Double($1.1))
    }
    #expect(squaredDistance(count: 3, a, b) == exact)
  }

  @Test(arguments: lengths) func exchangesBitByBit(n: Int) {
    let (a, b) = (noise(n + 1, seed: 5), noise(n + 1, seed: 6))
    var (x, y) = (a, b)
    exchange(count: n, &x, &y)
    #expect(Array(x[..<n]) == Array(b[..<n]) && Array(y[..<n]) == Array(a[..<n]))
    #expect(x[n] == a[n] && y[n] == b[n])
  }
}
