import Kernels
import Testing

@Suite struct RowNormalizationTests {
  func normalized(_ x: [Float], rows: Int) -> [Float] {
    var y = x + [77]
    y.withUnsafeMutableBufferPointer {
      // In place.
      normalizeRows(
        rows: rows, columns: x.count / max(1, rows), $0.baseAddress!, into: $0.baseAddress!)
    }
    #expect(y.last == 77)
    return Array(y.dropLast())
  }

  func gradient(_ g: [Float], _ x: [Float], rows: Int) -> [Float] {
    var y = g
    y.withUnsafeMutableBufferPointer {
      normalizeRowsGradient(
        rows: rows, columns: x.count / max(1, rows), outputGradient: $0.baseAddress!, x: x,
        into: $0.baseAddress!)
    }
    return y
  }

  static func twin(_ x: [Double]) -> [Double] { x.map { $0 / dot(x, x).squareRoot() } }

  @Test(arguments: [1, 2, 8, 13, 15, 16, 17, 31, 33]) func rowsAgainstTheirDefinition(
    columns: Int
  ) {
    let rows = 5
    let x = noise(rows * columns, seed: 1, size: 3)
    let g = noise(rows * columns, seed: 2)
    let (y, dx) = (normalized(x, rows: rows), gradient(g, x, rows: rows))
    for row in 0..<rows {
      let range = (row * columns)..<((row + 1) * columns)
      let (xr, gr) = (Array(x[range]).exact, Array(g[range]).exact)
      #expect(distance(Array(y[range]), Self.twin(xr)) < 1e-6)
      let expected = slopes(at: xr) { dot(Self.twin($0), gr) }
      #expect(distance(Array(dx[range]), expected) < 1e-5)
      // A row alone has the bits that it has among others.
      #expect(normalized(Array(x[range]), rows: 1) == Array(y[range]))
    }
  }

  @Test func aRowWithoutLengthIsZeroAndSoIsItsGradient() {
    let x: [Float] = [0, 0, 9e-7, 0, 0, 2e-6, 1e-30, 1e30]
    #expect(normalized(x, rows: 4) == [0, 0, 0, 0, 0, 1, 0, 1])
    let dx = gradient([1, 2, 3, 4, 5, 6, 0, 8], x, rows: 4)
    #expect(dx[..<4] == [0, 0, 0, 0])
    #expect(abs(dx[4] - 2.5e6) < 1 && dx[5] == 0)
    #expect(normalized([], rows: 0).isEmpty)
  }

  @Test func whatIsNotFiniteIsNotHidden() {
    #expect(normalized([.nan, 1], rows: 1).allSatisfy { $0.isNaN })
    #expect(normalized([.infinity, 1], rows: 1).contains { $0.isNaN })
    #expect(gradient([1, 1], [.nan, 1], rows: 1).allSatisfy { $0.isNaN })
  }
}
