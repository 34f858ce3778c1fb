import Evaluation
import Testing

@Suite("Eigenvalues")
struct SymmetricMatrixTests {
  @Test("two by two, by the quadratic formula")
  func two() {
    // (5 +- sqrt(1 + 4 * 4)) / 2 for [[2, 2], [2, 3]].
    let found = SymmetricMatrix(size: 2, elements: [2, 2, 2, 3]).eigenvalues
    let root = 17.0.squareRoot()
    #expect(abs(found[0] - (5 + root) / 2) < 1e-14)
    #expect(abs(found[1] - (5 - root) / 2) < 1e-14)
  }

  @Test("the second differences have 2 - 2 cos(pi k / (n + 1))", arguments: [1, 2, 3, 7, 32])
  func secondDifferences(size: Int) {
    var elements = [Double](repeating: 0, count: size * size)
    for row in 0..<size {
      elements[row * size + row] = 2
      if row > 0 { elements[row * size + row - 1] = -1 }
    }
    let found = SymmetricMatrix(size: size, elements: elements).eigenvalues
    let expected = (1...size).map { 2 - 2 * Self.cosine(Double.pi * Double($0) / Double(size + 1)) }
      .sorted(by: >)
    for (a, b) in zip(found, expected) { #expect(abs(a - b) < 1e-12) }
  }

  @Test("trace and sum of squares are kept by any matrix", arguments: [3, 8, 33, 128])
  func invariants(size: Int) {
    var state: UInt64 = 1
    let elements = (0..<size * size).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Double(state >> 40) / Double(1 << 24) - 0.5
    }
    let matrix = SymmetricMatrix(size: size, elements: elements)
    let found = matrix.eigenvalues
    let trace = (0..<size).reduce(0) { $0 + matrix[$1, $1] }
    let squares = matrix.elements.reduce(0) { $0 + $1 * $1 }
    #expect(found.count == size && found == found.sorted(by: >))
    #expect(abs(found.reduce(0, +) - trace) < 1e-10 * squares)
    #expect(abs(found.reduce(0) { $0 + $1 * $1 } - squares) < 1e-10 * squares)
  }

  @Test("nothing, and what is no number, end")
  func degenerate() {
    #expect(
      SymmetricMatrix(size: 3, elements: Array(repeating: 0, count: 9)).eigenvalues == [0, 0, 0])
    let broken = SymmetricMatrix(size: 2, elements: [.nan, 1, 1, 2]).eigenvalues
    #expect(broken.count == 2)
  }

  /// The cosine by its series: the tests need no other library for it.
  private static func cosine(_ x: Double) -> Double {
    var (sum, term) = (1.0, 1.0)
    for k in 1...20 {
      term *= -x * x / Double((2 * k - 1) * (2 * k))
      sum += term
    }
    return sum
  }
}
