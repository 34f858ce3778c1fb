import Kernels
import Testing

@Suite struct SignBitsTests {
  func bits(_ x: [Float]) -> [Float] {
    var y = x + [77]
    y.withUnsafeMutableBufferPointer {
      signBits(count: x.count, $0.baseAddress!, into: $0.baseAddress!)
    }
    #expect(y.last == 77)
    return Array(y.dropLast())
  }

  @Test(arguments: lengths) func aBitIsWhetherItIsAboveZero(count: Int) {
    let x = noise(count, seed: 1)
    #expect(bits(x) == x.map { $0 > 0 ? 1 : 0 })
  }

  @Test func zeroIsNotAbove() {
    #expect(bits([0, -0, .leastNonzeroMagnitude, -.leastNonzeroMagnitude]) == [0, 0, 1, 0])
  }

  @Test func whatIsNotFiniteHasNoBit() {
    #expect(bits([.nan, .infinity, -.infinity, 1]).map(\.isNaN) == [true, true, true, false])
  }
}
