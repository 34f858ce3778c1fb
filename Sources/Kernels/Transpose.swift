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
  return interleaved(interleaved(interleaved(interleaved(block))))
}

/// One round: rows r and r + 8 become rows 2 r and 2 r + 1, interleaved.
@inline(__always)
private func interleaved(_ block: InlineArray<16, Vector>) -> InlineArray<16, Vector> {
  var result = InlineArray<16, Vector>(repeating: .zero)
  for r in 0..<8 {
    let (a, b) = (block[unchecked: r], block[unchecked: r &+ 8])
    result[unchecked: 2 &* r] = interleave(a.lowHalf, b.lowHalf)
    result[unchecked: 2 &* r &+ 1] = interleave(a.highHalf, b.highHalf)
  }
  return result
}

/// a[0], b[0], a[1], b[1], ...
@inline(__always)
private func interleave(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
  var v = Vector.zero
  v.evenHalf = a
  v.oddHalf = b
  return v
}
