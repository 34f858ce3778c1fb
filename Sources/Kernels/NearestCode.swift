import CProcessor

/// The floats that a vector register of the processor holds.
private let vectorFloats = Int(TESSERA_VECTOR_FLOATS)

/// How to find the nearest code; the same within rounding, each fastest somewhere.
package enum NearestCodeForm: Sendable, CaseIterable {
  /// Blocks of scores by BLAS.
  case product
  /// Scores that stay in registers, 16 codes at a time.
  case narrow
  /// Scores that stay in registers, 64 codes at a time.
  case wide

  /// The one for the processor that this build is for.
  package static var fastest: NearestCodeForm {
    switch vectorFloats {
    case 16: .wide
    case 8: .narrow
    default: .product
    }
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
  case .product: nearestCodeProductWorkspace(codes: codes)
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
  case .product:
    nearestCodesByProduct(
      rows: rows, codes: codes, dimension: dimension, z, codebook: codebook,
      squaredNorms: squaredNorms, into: indices, workspace: workspace)
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

// MARK: - By products of BLAS

// The nearest code by matrix products of BLAS, for processors whose vectors are narrow in this
// build: BLAS looks at the processor when it runs.

/// Rows and codes whose scores are computed at a time: 64 x 512 scores are 128 KiB, a quarter of
/// the second cache.
private let rowBlock = 64
private let codeBlock = 512

/// The floats of scratch memory that `nearestCodesByProduct` needs.
func nearestCodeProductWorkspace(codes: Int) -> Int {
  rowBlock * min(codes, codeBlock) + rowBlock
}

/// `nearestCodes` by blocks of scores, with a running minimum over them.
func nearestCodesByProduct(
  rows: Int, codes: Int, dimension: Int, _ z: UnsafePointer<Float>,
  codebook: UnsafePointer<Float>, squaredNorms: UnsafePointer<Float>,
  into indices: UnsafeMutablePointer<Int32>, workspace: UnsafeMutablePointer<Float>
) {
  let width = min(codes, codeBlock)
  let scores = workspace + rowBlock
  for row in stride(from: 0, to: rows, by: rowBlock) {
    let height = min(rowBlock, rows - row)
    for r in 0..<height {
      workspace[r] = .infinity
      indices[row + r] = -1
    }
    for code in stride(from: 0, to: codes, by: codeBlock) {
      let count = min(codeBlock, codes - code)
      gemm(
        height, count, dimension, alpha: -2, z + row * dimension, leading: dimension,
        transposed: false, codebook + code * dimension, leading: dimension, transposed: true,
        into: scores, leading: width)
      for r in 0..<height {
        let (score, index) = smallest(count, scores + r * width, squaredNorms + code)
        if score < workspace[r] {
          workspace[r] = score
          indices[row + r] = Int32(code + index)
        }
      }
    }
  }
}

/// The smallest a[i] + b[i] and the lowest index that has it; (inf, 0) where none is below inf.
@inline(__always)
private func smallest(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> (score: Float, index: Int) {
  // Sixteen running minima side by side: lane k has the first of the smallest at i mod 16 = k,
  // because only a smaller one replaces it.
  var best = SIMD16<Float>(repeating: .infinity)
  var at = SIMD16<Int32>.zero
  var here = SIMD16<Int32>(0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15)
  var i = 0
  while i &+ 16 <= count {
    let value: SIMD16<Float> = a.vector(i) + b.vector(i)
    at = selecting(where: value, isBelow: best, here, else: at)
    best = smaller(best, value)
    here &+= 16
    i &+= 16
  }
  var score = Float.infinity
  var index = 0
  for k in 0..<16 where best[k] < score || (best[k] == score && Int(at[k]) < index) {
    score = best[k]
    index = Int(at[k])
  }
  while i < count {
    let value = a[i] + b[i]
    if value < score {
      score = value
      index = i
    }
    i &+= 1
  }
  return (score, index)
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
