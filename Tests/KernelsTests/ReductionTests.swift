import Kernels
import Testing

@Suite struct ReductionTests {
  @Test(arguments: lengths + [1000]) func sums(n: Int) {
    let x = noise(n + 1, seed: 1, size: 100)
    let inside = Array(x[..<n]).exact
    #expect(abs(sum(count: n, x) - inside.reduce(0, +)) < 1e-9)
    #expect(abs(sumOfSquares(count: n, x) - dot(inside, inside)) < 1e-6)
  }

  @Test func sumsKeepWhatFloatWouldLose() {
    let x: [Float] = [1e8, 1, -1e8, 1]
    #expect(sum(count: 4, x) == 2)
  }

  @Test(arguments: [1, 8, 15, 16, 17, 31, 33, 40]) func anythingNotFiniteIsFound(n: Int) {
    var x = noise(n + 1, seed: 2)
    x[n] = .nan
    #expect(allFinite(count: n, x))
    #expect(allFinite(count: 0, x))
    x[0] = .greatestFiniteMagnitude
    x[n - 1] = -.greatestFiniteMagnitude
    #expect(allFinite(count: n, x))
    for i in 0..<n {
      for bad in [Float.nan, .infinity, -.infinity] {
        var y = x
        y[i] = bad
        #expect(!allFinite(count: n, y))
      }
    }
  }
}
