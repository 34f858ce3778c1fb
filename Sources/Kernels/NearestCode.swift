import CProcessor

/// The floats that a vector register of the processor holds.
private let vectorFloats = Int(TESSERA_VECTOR_FLOATS)

/// How to find the nearest code; the same within rounding, each fastest somewhere.
package enum NearestCodeForm: Sendable, CaseIterable {
  /// Scores that stay in registers, 16 codes at a time.
  case narrow
  /// Scores that stay in registers, 64 codes at a time.
  case wide

  /// The one for the processor that this build is for.
  package static var fastest: NearestCodeForm {
    vectorFloats >= 16 ? .wide : .narrow
  }
}

/// The floats of scratch memory that `nearestCodes` needs, however many rows there are.
public func nearestCodeWorkspace(codes: Int, dimension: Int) -> Int {
  nearestCodeWorkspace(.fastest, codes: codes, dimension: dimension)
}

/// indices[r] = the code nearest to row r: argmin over k of |e_k|^2 - 2 z_r e_k.
///
/// z [rows, dimension], codebook [codes, dimension], squaredNorms [codes]. Equal scores give the
/// lowest index. A row that holds NaN or an infinity gets -1, and so does a row none of whose
/// scores is a number below infinity. Memory does not grow with the rows, and with the codes only
/// by a copy of them.
public func nearestCodes(
  rows: Int, codes: Int, dimension: Int, _ z: UnsafePointer<Float>,
  codebook: UnsafePointer<Float>, squaredNorms: UnsafePointer<Float>,
  into indices: UnsafeMutablePointer<Int32>, workspace: UnsafeMutablePointer<Float>
) {
  nearestCodes(
    .fastest, rows: rows, codes: codes, dimension: dimension, z, codebook: codebook,
    squaredNorms: squaredNorms, into: indices, workspace: workspace)
}

/// `nearestCodeWorkspace` of one form.
package func nearestCodeWorkspace(_ form: NearestCodeForm, codes: Int, dimension: Int) -> Int {
  switch form {
  case .narrow: PackedCodes<SIMD16<Float>>.workspace(codes: codes, dimension: dimension)
  case .wide: PackedCodes<FourVectors>.workspace(codes: codes, dimension: dimension)
  }
}

/// `nearestCodes` by one form.
package func nearestCodes(
  _ form: NearestCodeForm, rows: Int, codes: Int, dimension: Int, _ z: UnsafePointer<Float>,
  codebook: UnsafePointer<Float>, squaredNorms: UnsafePointer<Float>,
  into indices: UnsafeMutablePointer<Int32>, workspace: UnsafeMutablePointer<Float>
) {
  switch form {
  case .narrow:
    PackedCodes<SIMD16<Float>>(
      codes: codes, dimension: dimension, codebook, squaredNorms, in: workspace
    ).nearest(rows: rows, z, into: indices)
  case .wide:
    PackedCodes<FourVectors>(
      codes: codes, dimension: dimension, codebook, squaredNorms, in: workspace
    ).nearest(rows: rows, z, into: indices)
  }
  for row in 0..<rows where !allFinite(count: dimension, z + row * dimension) {
    indices[row] = -1
  }
}

// MARK: - Rows by their code

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
