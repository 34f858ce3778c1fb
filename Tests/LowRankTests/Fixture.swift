import LowRank
import Randomness
import Testing

/// The matrix of the numbers that were worked out elsewhere.
let example = Matrix(
  rows: 5, columns: 4,
  elements: [4, 0, 2, 1, 1, 3, -1, 2, 0, 1, 5, -1, 2, 2, 2, 2, 1, -1, 0, 3])

extension Matrix {
  /// A matrix of its rows.
  init(_ rows: [[Double]]) {
    self.init(rows: rows.count, columns: rows[0].count, elements: rows.flatMap { $0 })
  }

  /// Normally distributed elements.
  static func random(_ rows: Int, _ columns: Int, seed: UInt64) -> Matrix {
    var random = Generator(seed: seed)
    return Matrix(rows: rows, columns: columns) { _, _ in Double(random.normal()) }
  }

  /// A matrix whose singular values fall by a factor.
  static func decaying(_ rows: Int, _ columns: Int, by factor: Double, seed: UInt64) -> Matrix {
    var scale = 1.0
    let scales = (0..<columns).map { _ in
      defer { scale *= factor }
      return scale
    }
    let narrow = Matrix.random(rows, columns, seed: seed)
    return Matrix(rows: rows, columns: columns) { narrow[$0, $1] * scales[$1] }
      .times(.random(columns, columns, seed: seed + 1))
  }

  /// The largest difference of elements.
  func distance(_ other: Matrix) -> Double {
    guard rows == other.rows, columns == other.columns else { return .infinity }
    return zip(elements, other.elements).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }
}

/// Expects numbers to a tolerance.
func expect(
  _ found: [Double], _ expected: [Double], _ tolerance: Double = 1e-9,
  at location: SourceLocation = #_sourceLocation
) {
  #expect(found.count == expected.count, sourceLocation: location)
  #expect(
    zip(found, expected).allSatisfy { abs($0 - $1) <= tolerance }, "\(found)",
    sourceLocation: location)
}

/// Singular values by one-sided Jacobi rotations: the definition.
///
/// Pairs of columns are turned until all are orthogonal; their lengths are the singular values,
/// what turned them is V. Hestenes, "Inversion of matrices by biorthogonalization", 1958.
struct JacobiDecomposition {
  let values: [Double]
  /// U diag(sigma), columns in the order of the values.
  let scaledLeft: [[Double]]
  /// Columns of V.
  let right: [[Double]]

  init(_ matrix: Matrix) {
    var a = (0..<matrix.columns).map { column in (0..<matrix.rows).map { matrix[$0, column] } }
    var v = (0..<matrix.columns).map { column in
      (0..<matrix.columns).map { $0 == column ? 1.0 : 0.0 }
    }
    func dot(_ x: [Double], _ y: [Double]) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    func turn(_ x: inout [Double], _ y: inout [Double], _ cosine: Double, _ sine: Double) {
      for index in x.indices {
        (x[index], y[index]) = (
          cosine * x[index] - sine * y[index], sine * x[index] + cosine * y[index]
        )
      }
    }
    for _ in 0..<60 {
      var isDone = true
      for p in a.indices {
        for q in p + 1..<max(a.count, p + 1) {
          let (pp, qq, pq) = (dot(a[p], a[p]), dot(a[q], a[q]), dot(a[p], a[q]))
          if abs(pq) <= 1e-15 * (pp * qq).squareRoot() { continue }
          isDone = false
          let ratio = (qq - pp) / (2 * pq)
          let tangent = (ratio < 0 ? -1 : 1) / (abs(ratio) + (1 + ratio * ratio).squareRoot())
          let cosine = 1 / (1 + tangent * tangent).squareRoot()
          var (x, y, s, t) = (a[p], a[q], v[p], v[q])
          turn(&x, &y, cosine, cosine * tangent)
          turn(&s, &t, cosine, cosine * tangent)
          (a[p], a[q], v[p], v[q]) = (x, y, s, t)
        }
      }
      if isDone { break }
    }
    let lengths = a.map { dot($0, $0).squareRoot() }
    let order = lengths.indices.sorted { lengths[$0] > lengths[$1] }
    values = order.prefix(min(matrix.rows, matrix.columns)).map { lengths[$0] }
    scaledLeft = order.map { a[$0] }
    right = order.map { v[$0] }
  }
}
