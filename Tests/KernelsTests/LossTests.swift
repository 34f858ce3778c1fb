import Kernels
import Testing

@Suite struct LossTests {
  @Test(arguments: lengths) func values(n: Int) {
    let (a, b) = (noise(n, seed: 1), noise(n, seed: 2))
    let differences = zip(a, b).map { Double($0) - Double($1) }
    let squares = differences.reduce(0) { $0 + $1 * $1 } / Double(max(n, 1))
    let sizes = differences.reduce(0) { $0 + abs($1) } / Double(max(n, 1))
    #expect(abs(meanSquaredError(count: n, a, b) - squares) < 1e-12)
    #expect(abs(meanAbsoluteError(count: n, a, b) - sizes) < 1e-7)
  }

  @Test(arguments: lengths) func gradients(n: Int) {
    let (a, b) = (noise(n + 1, seed: 3), noise(n + 1, seed: 4))
    let count = Double(max(n, 1))
    for factor in [Float(1), -0.5] {
      let f = Double(factor)
      let squared = slopes(at: Array(a[..<n]).exact) { a in
        f * zip(a, b).reduce(0) { $0 + ($1.0 - Double($1.1)) * ($1.0 - Double($1.1)) } / count
      }
      let absolute = slopes(at: Array(a[..<n]).exact) { a in
        f * zip(a, b).reduce(0) { $0 + abs($1.0 - Double($1.1)) } / count
      }
      var y = a
      y.withUnsafeMutableBufferPointer {
        meanSquaredErrorGradient(
          count: n, factor: factor, $0.baseAddress!, b, into: $0.baseAddress!)
      }
      #expect(distance(y, squared + [Double(a[n])]) < 1e-6)
      y = b
      y.withUnsafeMutableBufferPointer {
        meanAbsoluteErrorGradient(
          count: n, factor: factor, a, $0.baseAddress!, into: $0.baseAddress!)
      }
      #expect(distance(y, absolute + [Double(b[n])]) < 1e-6)
    }
  }

  @Test func tiesHaveNoSlopeAndNaNStays() {
    var y: [Float] = [9, 9, 9, 9, 9]
    meanAbsoluteErrorGradient(
      count: 5, factor: 5, [1, 0, 2, -2, .nan], [1, -0.0, 1, 1, 0], into: &y)
    #expect(distance(y, [0, 0, 1, -1, .nan]) < 1e-7)
    #expect(meanSquaredError(count: 2, [.nan, 1], [1, 1]).isNaN)
  }
}
