import COpenBLAS

/// A matrix in double precision, stored row by row.
///
/// Decompositions are computed once, between steps or after training, where rounding matters more
/// than speed; weights in single precision are converted.
public struct Matrix: Sendable, Equatable {
  /// The number of rows; 0 is allowed, as it is of columns.
  public let rows: Int
  /// The number of columns.
  public let columns: Int
  /// The elements row by row, `[rows, columns]`.
  public let elements: [Double]

  /// A matrix of given elements, row by row.
  ///
  /// - Precondition: `elements` has `rows * columns` numbers.
  public init(rows: Int, columns: Int, elements: [Double]) {
    precondition(rows >= 0 && columns >= 0 && elements.count == rows * columns, "rows * columns")
    (self.rows, self.columns, self.elements) = (rows, columns, elements)
  }

  /// A matrix whose elements are a function of row and column.
  @inlinable
  public init(rows: Int, columns: Int, _ element: (_ row: Int, _ column: Int) -> Double) {
    var elements: [Double] = []
    elements.reserveCapacity(rows * columns)
    for row in 0..<rows {
      for column in 0..<columns { elements.append(element(row, column)) }
    }
    self.init(rows: rows, columns: columns, elements: elements)
  }

  /// The element of a row and a column.
  @inlinable
  public subscript(row: Int, column: Int) -> Double { elements[row * columns + column] }

  /// The matrix with rows for columns, in tiles that stay in cache.
  public var transposed: Matrix {
    let (rows, columns, tile) = (rows, columns, 32)
    let turned = [Double](unsafeUninitializedCapacity: rows * columns) { turned, count in
      elements.withUnsafeBufferPointer { source in
        for top in stride(from: 0, to: rows, by: tile) {
          for left in stride(from: 0, to: columns, by: tile) {
            for column in left..<min(left + tile, columns) {
              for row in top..<min(top + tile, rows) {
                turned[column * rows + row] = source[row * columns + column]
              }
            }
          }
        }
      }
      count = rows * columns
    }
    return Matrix(rows: columns, columns: rows, elements: turned)
  }

  /// The product with another matrix.
  ///
  /// - Precondition: this one has as many columns as `other` has rows.
  public func times(_ other: Matrix) -> Matrix { Self.product(self, other) }

  /// The difference from a matrix of the same size.
  public func minus(_ other: Matrix) -> Matrix {
    precondition(rows == other.rows && columns == other.columns, "matrices of one size")
    return Matrix(
      rows: rows, columns: columns, elements: zip(elements, other.elements).map { $0 - $1 })
  }

  /// The matrix with all elements times a number.
  public func scaled(by factor: Double) -> Matrix {
    Matrix(rows: rows, columns: columns, elements: elements.map { $0 * factor })
  }

  /// The root of the sum of all squares, without overflow on the way.
  public var frobeniusNorm: Double {
    guard !elements.isEmpty else { return 0 }
    return cblas_dnrm2(blasint(elements.count), elements, 1)
  }

  /// The length of each column.
  public var columnNorms: [Double] {
    guard rows > 0 else { return Array(repeating: 0, count: columns) }
    return elements.withUnsafeBufferPointer { elements in
      (0..<columns).map {
        cblas_dnrm2(blasint(rows), elements.baseAddress! + $0, blasint(columns))
      }
    }
  }

  /// The length of each row.
  public var rowNorms: [Double] {
    guard columns > 0 else { return Array(repeating: 0, count: rows) }
    return elements.withUnsafeBufferPointer { elements in
      (0..<rows).map { cblas_dnrm2(blasint(columns), elements.baseAddress! + $0 * columns, 1) }
    }
  }

  /// The matrix of some columns, in their order.
  ///
  /// - Precondition: all of them are there.
  public func selecting(columns chosen: [Int]) -> Matrix {
    precondition(chosen.allSatisfy((0..<columns).contains), "columns that are there")
    return Matrix(rows: rows, columns: chosen.count) { self[$0, chosen[$1]] }
  }

  /// The matrix of some rows, in their order.
  ///
  /// - Precondition: all of them are there.
  public func selecting(rows chosen: [Int]) -> Matrix {
    precondition(chosen.allSatisfy((0..<rows).contains), "rows that are there")
    return Matrix(
      rows: chosen.count, columns: columns,
      elements: chosen.flatMap { elements[$0 * columns..<($0 + 1) * columns] })
  }

  /// Whether no element is infinite or NaN.
  public var isFinite: Bool { elements.allSatisfy(\.isFinite) }

  /// Ends with an error unless there are elements, all of them finite: LAPACK may loop on others.
  func check() throws(LowRankError) {
    if elements.isEmpty { throw .empty(rows: rows, columns: columns) }
    if let index = elements.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(row: index / columns, column: index % columns)
    }
  }

  /// The identity.
  static func identity(_ size: Int) -> Matrix {
    Matrix(rows: size, columns: size) { $0 == $1 ? 1 : 0 }
  }
}

// MARK: - Products

extension Matrix {
  /// op(A) op(B), op the identity or the transpose.
  static func product(
    _ a: Matrix, _ b: Matrix, transposingLeft ta: Bool = false, transposingRight tb: Bool = false
  ) -> Matrix {
    useOneThread()
    let (m, k) = ta ? (a.columns, a.rows) : (a.rows, a.columns)
    let (n, inner) = tb ? (b.rows, b.columns) : (b.columns, b.rows)
    precondition(k == inner, "a product of \(m) x \(k) and \(inner) x \(n)")
    var product = [Double](repeating: 0, count: m * n)
    if m * n * k > 0 {
      cblas_dgemm(
        CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
        blasint(m), blasint(n), blasint(k), 1, a.elements, blasint(a.columns),
        b.elements, blasint(b.columns), 0, &product, blasint(n))
    }
    return Matrix(rows: m, columns: n, elements: product)
  }

  /// T^-1 B of an upper triangle T, whose lower elements are not read.
  static func solving(upper t: Matrix, _ b: Matrix) -> Matrix {
    useOneThread()
    var solution = b.elements
    if !solution.isEmpty {
      cblas_dtrsm(
        CblasRowMajor, CblasLeft, CblasUpper, CblasNoTrans, CblasNonUnit, blasint(b.rows),
        blasint(b.columns), 1, t.elements, blasint(t.columns), &solution, blasint(b.columns))
    }
    return Matrix(rows: b.rows, columns: b.columns, elements: solution)
  }
}

/// Tells OpenBLAS, once, to compute in the thread that asks, as the kernels do: the threads belong
/// to the lanes, and sums have one order.
func useOneThread() { isSingleThreaded }

private let isSingleThreaded: Void = openblas_set_num_threads(1)
