/// A symmetric matrix of real numbers, such as a covariance.
public struct SymmetricMatrix: Sendable, Equatable {
  /// Rows, and columns.
  public let size: Int
  /// The elements row by row, `size * size` of them; both triangles are kept.
  public private(set) var elements: [Double]

  /// A matrix of given elements, row by row.
  ///
  /// The lower triangle is taken; the upper one becomes its mirror image.
  public init(size: Int, elements: [Double]) {
    precondition(size > 0 && elements.count == size * size, "size * size elements")
    self.size = size
    self.elements = elements
    for row in 0..<size {
      for column in row + 1..<max(size, row + 1) {
        self.elements[row * size + column] = elements[column * size + row]
      }
    }
  }

  /// The element of a row and a column.
  public subscript(row: Int, column: Int) -> Double { elements[row * size + column] }

  /// The eigenvalues, largest first.
  ///
  /// Cyclic Jacobi: each rotation by `tan(angle) = sign(t) / (|t| + sqrt(t^2 + 1))`, with
  /// `t = (a_qq - a_pp) / (2 a_pq)`, makes one element beside the diagonal zero and never raises the
  /// sum of their squares. Some `size^3` multiplications a sweep, and six to ten sweeps. Golub and
  /// Van Loan, "Matrix Computations", section 8.5.
  public var eigenvalues: [Double] {
    var a = elements
    let n = size
    let scale = a.reduce(0) { $0 + $1 * $1 }
    // Far more sweeps than the quadratic convergence ever needs, so that NaN ends too.
    for _ in 0..<60 {
      var beside = 0.0
      for row in 0..<n {
        for column in 0..<row { beside += 2 * a[row * n + column] * a[row * n + column] }
      }
      guard beside > 1e-30 * scale else { break }
      for p in 0..<n - 1 {
        for q in p + 1..<n { Self.rotate(&a, n, p, q) }
      }
    }
    return (0..<n).map { a[$0 * n + $0] }.sorted(by: >)
  }

  private static func rotate(_ a: inout [Double], _ n: Int, _ p: Int, _ q: Int) {
    let apq = a[p * n + q]
    if apq == 0 { return }
    let t = (a[q * n + q] - a[p * n + p]) / (2 * apq)
    let tangent = (t < 0 ? -1 : 1) / (t.magnitude + (t * t + 1).squareRoot())
    let cosine = 1 / (tangent * tangent + 1).squareRoot()
    let sine = tangent * cosine
    a.withUnsafeMutableBufferPointer { a in
      for k in 0..<n {
        let (x, y) = (a[k * n + p], a[k * n + q])
        a[k * n + p] = cosine * x - sine * y
        a[k * n + q] = sine * x + cosine * y
      }
      for k in 0..<n {
        let (x, y) = (a[p * n + k], a[q * n + k])
        a[p * n + k] = cosine * x - sine * y
        a[q * n + k] = sine * x + cosine * y
      }
    }
  }
}
