/// Where the values of a matrix B `[inner, columns]` lie when it is packed for products.
///
/// Panels of `RegisterTiles.columns` columns lie one behind the other, each as
/// `[inner, panel columns]`, so that a product reads a panel from front to back. Columns are filled
/// up with zeros to a multiple of 16; the last panel is narrower where that leaves no more.
struct PackedMatrix {
  /// The rows of B: the terms of each sum.
  let inner: Int
  /// The columns of B.
  let columns: Int

  /// A packing of a matrix of these sizes.
  init(inner: Int, columns: Int) {
    (self.inner, self.columns) = (inner, columns)
  }

  /// The columns with those that fill up the last vector.
  var paddedColumns: Int { (columns + 15) & ~15 }
  /// The floats of the packed matrix.
  var words: Int { inner * paddedColumns }
  /// The columns of a panel; without register tiles there is one panel, as BLAS likes it.
  var panel: Int { RegisterTiles.areUsed ? RegisterTiles.columns : paddedColumns }

  /// Where a column of the first row lies, and how far it is from row to row.
  @inline(__always)
  func place(_ column: Int) -> (offset: Int, stride: Int) {
    let start = column / panel * panel
    let width = min(panel, paddedColumns - start)
    return (start * inner + column - start, width)
  }

  /// Packs B `[inner, columns]`, stored row by row.
  func pack(_ b: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>) {
    for column in stride(from: 0, to: columns, by: 16) {
      let (offset, width) = place(column)
      let lanes = min(16, columns - column)
      for k in 0..<inner {
        let v: Vector = load(b + (k * columns + column), lanes)
        packed.store(v, at: offset + k * width)
      }
    }
  }

  /// Packs B `[inner, columns]`, given its transpose `[columns, inner]` row by row.
  func packTransposed(_ b: UnsafePointer<Float>, into packed: UnsafeMutablePointer<Float>) {
    for column in stride(from: 0, to: columns, by: 16) {
      let (offset, width) = place(column)
      let height = min(16, columns - column)
      for k in stride(from: 0, to: inner, by: 16) {
        let lanes = min(16, inner - k)
        let block = transposedBlock(
          rows: height, columns: lanes, b + (column * inner + k), leading: inner)
        for j in 0..<lanes { packed.store(block[unchecked: j], at: offset + (k + j) * width) }
      }
    }
  }

  /// C = A B, or C += A B, for A `[rows, inner]` and packed B.
  ///
  /// C has `paddedColumns` columns, and rows `leading` floats apart. With `inStages` sums
  /// longer than `longestSum` are made of sums half as long.
  func multiply(
    rows: Int, _ a: UnsafePointer<Float>, leading lda: Int, _ packed: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>, leading ldc: Int, accumulate: Bool = false,
    inStages: Bool = false
  ) {
    guard RegisterTiles.areUsed else {
      return gemm(
        rows, paddedColumns, inner, a, leading: lda, packed, leading: paddedColumns,
        beta: accumulate ? 1 : 0, into: c, leading: ldc)
    }
    for column in stride(from: 0, to: paddedColumns, by: panel) {
      let (offset, width) = place(column)
      let stage = inStages && inner > longestSum ? longestSum / 2 : max(inner, 1)
      for first in stride(from: 0, to: inner, by: stage) {
        RegisterTiles.multiply(
          rows: rows, columns: width, inner: min(stage, inner - first), a + first,
          row: lda, term: 1, packed + (offset + first * width), stride: width, into: c + column,
          leading: ldc, accumulate: accumulate || first > 0)
      }
    }
  }
}

/// C = A^T B, or C += A^T B, for A `[terms, rows]` and B `[terms, columns]`, stored row by row.
///
/// `columns` is a multiple of 16; with no terms C is left as it was.
func multiplyTransposed(
  rows: Int, columns: Int, terms: Int, _ a: UnsafePointer<Float>, leading lda: Int,
  _ b: UnsafePointer<Float>, leading ldb: Int,
  into c: UnsafeMutablePointer<Float>, leading ldc: Int, accumulate: Bool
) {
  guard RegisterTiles.areUsed else {
    return gemm(
      rows, columns, terms, a, leading: lda, transposed: true, b, leading: ldb,
      beta: accumulate ? 1 : 0, into: c, leading: ldc)
  }
  for first in stride(from: 0, to: terms, by: longestSum) {
    for column in stride(from: 0, to: columns, by: RegisterTiles.columns) {
      RegisterTiles.multiply(
        rows: rows, columns: min(RegisterTiles.columns, columns - column),
        inner: min(longestSum, terms - first), a + first * lda, row: 1, term: lda,
        b + (first * ldb + column), stride: ldb, into: c + column, leading: ldc,
        accumulate: accumulate || first > 0)
    }
  }
}

/// The terms that are summed in one register before the sum is added to memory.
///
/// Rounding grows with the length of a chain of sums: in two stages it grows with the sum of both
/// lengths in place of their product. Winograd's transforms multiply it, so that its sums over many
/// channels or tiles need the stages: over 256 channels the relative error is 1.4e-6 with sums of
/// 32 terms, 1.8e-6 with 64, and 3.3e-6 with one chain.
private let longestSum = 64

/// The first `lanes` floats, up to 16, and zeros.
@inline(__always)
func load(_ x: UnsafePointer<Float>, _ lanes: Int) -> Vector {
  x[Lanes(start: 0, count: lanes)]
}
