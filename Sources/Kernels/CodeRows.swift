/// squares[r] = the sum over c of x[r, c]^2, for x [rows, columns].
public func squaredNorms(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, into squares: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows { squares[row] = Float(sumOfSquares(count: columns, x + row * columns)) }
}

/// y[r] = table[indices[r]], rows of `columns` floats; an index outside the table gives NaN.
public func gatherRows(
  rows: Int, columns: Int, from table: UnsafePointer<Float>, tableRows: Int,
  indices: UnsafePointer<Int32>, into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let index = Int(indices[row])
    if index >= 0 && index < tableRows {
      copy(columns, table + index * columns, into: y + row * columns)
    } else {
      fill(count: columns, with: .nan, into: y + row * columns)
    }
  }
}

/// table[indices[r]] += x[r], rows of `columns` floats; an index outside the table is passed over.
public func scatterAddRows(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, tableRows: Int,
  indices: UnsafePointer<Int32>, into table: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let index = Int(indices[row])
    if index >= 0 && index < tableRows {
      accumulate(count: columns, x + row * columns, into: table + index * columns)
    }
  }
}

/// counts[k] = the number of rows whose index is k; indices outside 0 ..< codes are passed over.
///
/// Float counts exactly up to 2^24 rows.
public func countCodes(
  rows: Int, codes: Int, indices: UnsafePointer<Int32>, into counts: UnsafeMutablePointer<Float>
) {
  fill(count: codes, with: 0, into: counts)
  for row in 0..<rows {
    let index = Int(indices[row])
    if index >= 0 && index < codes { counts[index] += 1 }
  }
}
