/// y = x^T, for x `[rows, columns]`, stored row by row.
func transpose(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for row in stride(from: 0, to: rows, by: 16) {
    let height = min(16, rows - row)
    for column in stride(from: 0, to: columns, by: 16) {
      let width = min(16, columns - column)
      let block = transposedBlock(
        rows: height, columns: width, x + (row * columns + column), leading: columns)
      for c in 0..<width {
        let target = y + ((column + c) * rows + row)
        if height == 16 {
          target.store(block[unchecked: c], at: 0)
        } else {
          target.store(block[unchecked: c], at: 0, count: height)
        }
      }
    }
  }
}

/// The transpose of up to 16 rows and columns, filled up with zeros.
///
/// Each of four rounds interleaves the rows that are eight apart. That moves the bits of a value's
/// place (row, column), four each, round by one; after four rounds row and column have changed
/// places.
@inline(__always)
func transposedBlock(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, leading: Int
) -> InlineArray<16, Vector> {
  var block = InlineArray<16, Vector>(repeating: .zero)
  if rows == 16 && columns == 16 {
    for r in 0..<16 { block[unchecked: r] = x.vector(r &* leading) }
  } else {
    for r in 0..<rows { block[unchecked: r] = load(x + r * leading, columns) }
  }
  for _ in 0..<4 {
    let old = block
    for r in 0..<8 {
      let (a, b) = (old[unchecked: r], old[unchecked: r &+ 8])
      block[unchecked: 2 &* r] = interleave(a.lowHalf, b.lowHalf)
      block[unchecked: 2 &* r &+ 1] = interleave(a.highHalf, b.highHalf)
    }
  }
  return block
}

/// a[0], b[0], a[1], b[1], ...
@inline(__always)
private func interleave(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
  var v = Vector.zero
  v.evenHalf = a
  v.oddHalf = b
  return v
}
