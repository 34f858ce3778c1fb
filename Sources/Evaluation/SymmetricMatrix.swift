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

  /// The sum of the diagonal.
  public var trace: Double { (0..<size).reduce(0) { $0 + self[$1, $1] } }

  /// The eigenvalues, largest first.
  ///
  /// Householder reflections make the matrix tridiagonal, in some `4/3 size^3` operations; the QL
  /// method with implicit shifts makes that diagonal. The error of each eigenvalue is of the size
  /// of the rounding of the largest. Golub and Van Loan, "Matrix Computations", section 8.3; Bowdler,
  /// Martin, Reinsch and Wilkinson, "The QR and QL algorithms for symmetric matrices", 1968.
  public var eigenvalues: [Double] {
    var (diagonal, beside) = tridiagonal
    Self.diagonalize(&diagonal, &beside)
    return diagonal.sorted(by: >)
  }

  /// The diagonal of a tridiagonal matrix with the same eigenvalues, and what stands beside it:
  /// element `i` between `i` and `i + 1`, the last one 0.
  private var tridiagonal: (diagonal: [Double], beside: [Double]) {
    var (diagonal, beside) = (
      [Double](repeating: 0, count: size), [Double](repeating: 0, count: size)
    )
    var a = elements
    var product = [Double](repeating: 0, count: size)
    a.withUnsafeMutableBufferPointer { a in
      product.withUnsafeMutableBufferPointer { product in
        let (a, p) = (a.baseAddress!, product.baseAddress!)
        for row in stride(from: size - 1, through: 1, by: -1) {
          // The reflection that leaves one number of this row left of the diagonal.
          let u = a + row * size
          let largest = (0..<row).reduce(0.0) { max($0, u[$1].magnitude) }
          if row == 1 || largest == 0 {
            beside[row - 1] = u[row - 1]
            continue
          }
          for index in 0..<row { u[index] /= largest }
          let square = dot(u, u, row)
          let first = u[row - 1]
          let length = first < 0 ? square.squareRoot() : -square.squareRoot()
          beside[row - 1] = largest * length
          u[row - 1] = first - length
          Self.reflect(a, size, row, u, half: square - first * length, product: p)
        }
        for row in 0..<size { diagonal[row] = a[row * size + row] }
      }
    }
    return (diagonal, beside)
  }

  /// Reflects the leading block of `count` rows by `1 - u u^T / half`, the lower triangle alone.
  private static func reflect(
    _ a: UnsafeMutablePointer<Double>, _ size: Int, _ count: Int, _ u: UnsafeMutablePointer<Double>,
    half: Double, product p: UnsafeMutablePointer<Double>
  ) {
    for row in 0..<count {
      let (line, weight) = (a + row * size, u[row])
      p[row] = dot(line, u, row + 1)
      for column in 0..<row { p[column] += weight * line[column] }
    }
    for row in 0..<count { p[row] /= half }
    let middle = dot(u, p, count) / (2 * half)
    for row in 0..<count { p[row] -= middle * u[row] }
    for row in 0..<count {
      let (line, x, y) = (a + row * size, u[row], p[row])
      for column in 0...row { line[column] -= x * p[column] + y * u[column] }
    }
  }

  /// Makes a tridiagonal matrix diagonal.
  private static func diagonalize(_ d: inout [Double], _ e: inout [Double]) {
    let n = d.count
    for start in 0..<n {
      // Far more than the two that one eigenvalue takes, so that NaN ends too.
      for _ in 0..<60 {
        var end = start
        while end < n - 1 {
          let size = d[end].magnitude + d[end + 1].magnitude
          if size + e[end].magnitude == size { break }
          end += 1
        }
        if end == start { break }
        let slope = (d[start + 1] - d[start]) / (2 * e[start])
        let root = (slope * slope + 1).squareRoot()
        var g = d[end] - d[start] + e[start] / (slope < 0 ? slope - root : slope + root)
        var (sine, cosine, shift) = (1.0, 1.0, 0.0)
        var isSplit = false
        for index in stride(from: end - 1, through: start, by: -1) {
          let (f, b) = (sine * e[index], cosine * e[index])
          let length = hypotenuse(f, g)
          e[index + 1] = length
          if length == 0 {
            d[index + 1] -= shift
            e[end] = 0
            isSplit = true
            break
          }
          (sine, cosine) = (f / length, g / length)
          g = d[index + 1] - shift
          let step = (d[index] - g) * sine + 2 * cosine * b
          shift = sine * step
          d[index + 1] = g + shift
          g = cosine * step - b
        }
        if isSplit { continue }
        d[start] -= shift
        e[start] = g
        e[end] = 0
      }
    }
  }

  /// `sqrt(x^2 + y^2)` without overflow.
  private static func hypotenuse(_ x: Double, _ y: Double) -> Double {
    let (most, least) = (max(x.magnitude, y.magnitude), min(x.magnitude, y.magnitude))
    guard most > 0 else { return most + least }
    return most * (1 + (least / most) * (least / most)).squareRoot()
  }

  /// Columns `L` with `L L^T` equal to this matrix, which has no negative eigenvalue: as many as its
  /// rank, each of `size` numbers.
  ///
  /// Cholesky's method, the largest remaining variance first, until what remains is rounding:
  /// `size * 2^-50` of the largest element. Higham, "Analysis of the Cholesky decomposition of a
  /// semi-definite matrix", 1990.
  package var factor: [[Double]] {
    var remaining = (0..<size).map { self[$0, $0] }
    let least = Double(size) * 0x1p-50 * (remaining.max() ?? 0)
    var columns: [[Double]] = []
    var taken: [Int] = []
    while columns.count < size {
      guard let pivot = remaining.indices.max(by: { remaining[$0] < remaining[$1] }),
        remaining[pivot] > least
      else { break }
      var column = Array(elements[pivot * size..<(pivot + 1) * size])
      column.withUnsafeMutableBufferPointer { column in
        for former in columns {
          let weight = former[pivot]
          former.withUnsafeBufferPointer { former in
            for index in 0..<size { column[index] -= weight * former[index] }
          }
        }
        let scale = 1 / remaining[pivot].squareRoot()
        for index in 0..<size { column[index] *= scale }
        for index in taken { column[index] = 0 }
      }
      for index in 0..<size { remaining[index] -= column[index] * column[index] }
      taken.append(pivot)
      for index in taken { remaining[index] = -.infinity }
      columns.append(column)
    }
    return columns
  }
}

/// The sum of products of two lists of numbers, in eight sums side by side.
private func dot(
  _ x: UnsafePointer<Double>, _ y: UnsafePointer<Double>, _ count: Int
) -> Double {
  var sums = SIMD8<Double>.zero
  var index = 0
  while index + 8 <= count {
    sums +=
      UnsafeRawPointer(x + index).loadUnaligned(as: SIMD8<Double>.self)
      * UnsafeRawPointer(y + index).loadUnaligned(as: SIMD8<Double>.self)
    index += 8
  }
  var sum = sums.sum()
  while index < count {
    sum += x[index] * y[index]
    index += 1
  }
  return sum
}
