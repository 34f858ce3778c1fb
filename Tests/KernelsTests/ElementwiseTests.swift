import Kernels
import Testing

@Suite struct ElementwiseTests {
  typealias Binary = (
    Int, UnsafePointer<Float>, UnsafePointer<Float>, UnsafeMutablePointer<Float>
  ) -> Void

  /// Runs `kernel` with fresh, left and right output on `n` of n + 3 elements.
  func check(_ n: Int, _ kernel: Binary, _ twin: (Float, Float) -> Float) {
    let (a, b) = (noise(n + 3, seed: 1), noise(n + 3, seed: 2))
    func expected(_ before: [Float]) -> [Float] {
      (0..<(n + 3)).map { $0 < n ? twin(a[$0], b[$0]) : before[$0] }
    }
    let before = [Float](repeating: 9, count: n + 3)
    var y = before
    kernel(n, a, b, &y)
    #expect(y == expected(before))
    y = a
    y.withUnsafeMutableBufferPointer { kernel(n, $0.baseAddress!, b, $0.baseAddress!) }
    #expect(y == expected(a))
    y = b
    y.withUnsafeMutableBufferPointer { kernel(n, a, $0.baseAddress!, $0.baseAddress!) }
    #expect(y == expected(b))
  }

  @Test(arguments: lengths) func arithmetic(n: Int) {
    check(n, { add(count: $0, $1, $2, into: $3) }, +)
    check(n, { subtract(count: $0, $1, $2, into: $3) }, -)
    check(n, { multiply(count: $0, $1, $2, into: $3) }, *)
    check(n, { n, a, _, y in scale(count: n, a, by: -1.5, into: y) }, { a, _ in a * -1.5 })
  }

  @Test(arguments: lengths) func accumulateAndFill(n: Int) {
    let x = noise(n, seed: 3)
    var y = noise(n + 1, seed: 4)
    let expected = (0..<n).map { y[$0] + x[$0] } + [y[n]]
    accumulate(count: n, x, into: &y)
    #expect(y == expected)
    fill(count: n, with: 2.5, into: &y)
    #expect(y == [Float](repeating: 2.5, count: n) + [expected[n]])
  }

  @Test(arguments: [0, 1, 5], [1, 3, 8, 15, 16, 17, 31, 33]) func affineByChannel(
    rows: Int, channels: Int
  ) {
    let x = noise(rows * channels + 1, seed: 5)
    let (scale, offset) = (noise(channels, seed: 6), noise(channels, seed: 7))
    let expected = x.indices.dropLast().map { i in
      Double(x[i]) * Double(scale[i % channels]) + Double(offset[i % channels])
    }
    var y = x
    y.withUnsafeMutableBufferPointer {
      channelAffine(
        rows: rows, channels: channels, $0.baseAddress!, scale: scale, offset: offset,
        into: $0.baseAddress!)
    }
    #expect(distance(y, expected + [Double(x.last!)]) < 1e-6)
  }
}
