import Foundation
import Kernels
import Testing

/// Logarithm, error function, waves and powers, against the C library's in double precision.
@Suite struct TranscendentalTests {
  @Test func logarithmIsWithinTwoUnitsOverTheWholeRange() {
    let exponents = (0...200_000).map { exp2(-149 + Double($0) * (277.0 / 200_000)) }
    let nearOne = (0...20_000).map { 0.9 + Double($0) * 1e-5 }
    let x = (exponents + nearOne).map { Float($0) }
    var y = x
    logarithm(count: x.count, x, into: &y)
    #expect(ActivationTests.units(y, x.map { log(Double($0)) }) <= 2)
  }

  @Test func logarithmAtTheEdges() {
    let x: [Float] = [0, -0.0, 1, -1, .infinity, -.infinity, .nan, .leastNonzeroMagnitude]
    var y = x
    logarithm(count: x.count, x, into: &y)
    #expect(y[0] == -.infinity && y[1] == -.infinity && y[2] == 0 && y[4] == .infinity)
    #expect(y[3].isNaN && y[5].isNaN && y[6].isNaN && abs(y[7] + 103.2789) < 1e-4)
  }

  @Test func errorFunctionIsWithinFourUnits() {
    let x = (0...200_000).map { Float(-6 + Double($0) * 6e-5) } + noise(5000, seed: 1, size: 1e-3)
    var y = x
    errorFunction(count: x.count, x, into: &y)
    #expect(ActivationTests.units(y, x.map { erf(Double($0)) }) <= 4)
    let edges: [Float] = [.infinity, -.infinity, .nan, 0]
    var values = edges
    errorFunction(count: 4, edges, into: &values)
    #expect(values[0] == 1 && values[1] == -1 && values[2].isNaN && values[3] == 0)
  }

  @Test(arguments: lengths) func everyLengthAndInPlace(n: Int) {
    let x = noise(n + 2, seed: 2).map { $0 + 1.5 }
    typealias Kernel = (Int, UnsafePointer<Float>, UnsafeMutablePointer<Float>) -> Void
    let kernels: [(Kernel, (Double) -> Double)] = [
      ({ logarithm(count: $0, $1, into: $2) }, { log($0) }),
      ({ errorFunction(count: $0, $1, into: $2) }, { erf($0) }),
      ({ sine(count: $0, $1, into: $2) }, { sin($0) }),
      ({ cosine(count: $0, $1, into: $2) }, { cos($0) }),
      ({ squareRoot(count: $0, $1, into: $2) }, { $0.squareRoot() }),
      ({ magnitude(count: $0, $1, into: $2) }, { abs($0) }),
      ({ sign(count: $0, $1, into: $2) }, { $0 > 0 ? 1 : -1 }),
      ({ power(count: $0, $1, $1, into: $2) }, { pow($0, $0) }),
    ]
    for (kernel, twin) in kernels {
      var y = x
      y.withUnsafeMutableBufferPointer {
        kernel(n, UnsafePointer($0.baseAddress!), $0.baseAddress!)
      }
      #expect(distance(y, x[..<n].map { twin(Double($0)) } + x[n...].map(Double.init)) < 1e-6)
    }
  }

  /// NaN stays in maxima and minima, and is neither larger nor equal.
  @Test func comparisonsOfNaN() {
    let (a, b): ([Float], [Float]) = ([.nan, 1, 2, -0.0], [1, .nan, 1, 0])
    var y = a
    maximum(count: 4, a, b, into: &y)
    #expect(y[0].isNaN && y[1].isNaN && y[2] == 2)
    minimum(count: 4, a, b, into: &y)
    #expect(y[0].isNaN && y[1].isNaN && y[2] == 1)
    isGreater(count: 4, a, b, into: &y)
    #expect(y == [0, 0, 1, 0])
    isEqual(count: 4, a, b, into: &y)
    #expect(y == [0, 0, 0, 1])
    choose(count: 4, a, [5, 6, 7, 8], b, into: &y)
    #expect(y[0] == 1 && y[1] == 6 && y[2] == 7 && y[3] == 0)
  }
}
