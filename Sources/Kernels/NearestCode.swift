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
