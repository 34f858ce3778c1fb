import Foundation
import Kernels
import Testing

@Suite struct SoftmaxTests {
  static func twin(_ columns: Int, _ scale: Double, _ x: [Double]) -> [Double] {
    stride(from: 0, to: x.count, by: columns).flatMap { start in
      let row = x[start..<(start + columns)].map { $0 * scale }
      let powers = row.map { exp($0 - row.max()!) }
      return powers.map { $0 / powers.reduce(0, +) }
    }
  }

  @Test(arguments: [0, 1, 3], [1, 5, 8, 15, 16, 17, 31, 33, 37]) func valuesAndGradients(
    rows: Int, columns: Int
  ) {
    for scale in [Float(0.25), -2] {
      let x = noise(rows * columns + 1, seed: 1, size: 4)
      let g = noise(rows * columns + 1, seed: 2)
      let count = rows * columns
      let inside = Array(x[..<count]).exact
      var y = x
      y.withUnsafeMutableBufferPointer {
        softmax(
          rows: rows, columns: columns, scale: scale, $0.baseAddress!, into: $0.baseAddress!)
      }
      #expect(distance(y, Self.twin(columns, Double(scale), inside) + [Double(x[count])]) < 1e-6)

      let expected = slopes(at: inside) {
        dot(Self.twin(columns, Double(scale), $0), Array(g[..<count]).exact)
      }
      for overGradient in [true, false] {
        var byX = overGradient ? g : y
        let last = Double(byX[count])
        byX.withUnsafeMutableBufferPointer { byX in
          let target = byX.baseAddress!
          if overGradient {
            softmaxGradient(
              rows: rows, columns: columns, scale: scale, outputGradient: target, y: y,
              into: target)
          } else {
            softmaxGradient(
              rows: rows, columns: columns, scale: scale, outputGradient: g, y: target,
              into: target)
          }
        }
        #expect(distance(byX, expected + [last]) < 1e-6)
      }
    }
  }

  @Test func largeExponentsDoNotOverflow() {
    var y: [Float] = [0, 0, 0]
    softmax(rows: 1, columns: 3, scale: 1, [1e4, 1e4, -1e4], into: &y)
    #expect(y == [0.5, 0.5, 0])
  }

  @Test func aNaNSpoilsItsRowOnly() {
    var y = [Float](repeating: 0, count: 4)
    softmax(rows: 2, columns: 2, scale: 1, [.nan, 1, 2, 2], into: &y)
    #expect(distance(y, [.nan, .nan, 0.5, 0.5]) == 0)
  }
}
