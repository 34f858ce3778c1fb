import CProcessor

/// Sixteen floats: one AVX-512 register, two of AVX2, four of NEON.
typealias Vector = SIMD16<Float>

/// A block of a matrix product whose sums stay in registers.
///
///     c[r, j] = the sum over k of a[r, k] b[k, j]        r < rows, j < 16 vectors
///
/// Each value of `a` is multiplied with `vectors` vectors of `b`, and each vector of `b` with
/// `rows` values of `a`, so that loads stay behind the arithmetic. Sums run over k from first to
/// last: what a row gives does not depend on the other rows. Measured on a Zen 5 core, whose peak
/// is about 285 GFLOP/s: 286 for 8 rows of 2 vectors, 250 for 4 of 2, 232 for 8 of 1. As AVX2 code
/// on the same core (peak 137): 130 for 4 rows of 1 vector, OpenBLAS 102-131.
struct RegisterTile<let rows: Int, let vectors: Int> {
  /// Computes a block.
  ///
  /// - Parameters:
  ///   - inner: the number of terms of each sum.
  ///   - a: the value of row r and term k is at `r row + k term`.
  ///   - b: the vectors of term k begin at `k stride`.
  ///   - c: row r begins at `r leading`.
  ///   - accumulate: whether the sums are added to what `c` holds.
  @inline(__always)
  static func multiply(
    inner: Int, _ a: UnsafePointer<Float>, row: Int, term: Int,
    _ b: UnsafePointer<Float>, stride: Int,
    into c: UnsafeMutablePointer<Float>, leading: Int, accumulate: Bool
  ) {
    var sums = InlineArray<rows, InlineArray<vectors, Vector>>(
      repeating: InlineArray(repeating: .zero))
    var (a, b) = (a, b)
    for _ in 0..<inner {
      for r in 0..<rows {
        let x = Vector(repeating: a[r &* row])
        for v in 0..<vectors {
          sums[unchecked: r][unchecked: v] = multiplyAdd(
            x, b.vector(v &* 16), sums[unchecked: r][unchecked: v])
        }
      }
      a += term
      b += stride
    }
    for r in 0..<rows {
      for v in 0..<vectors {
        let y = c + (r &* leading &+ v &* 16)
        let sum = sums[unchecked: r][unchecked: v]
        y.store(accumulate ? y.vector(0) + sum : sum, at: 0)
      }
    }
  }
}

/// The widest tile that fits the processor's registers, as told to the compiler.
///
/// AVX-512 has 32 registers of one vector, AVX2 has 16 of half a vector, NEON 32 of a quarter.
/// Without fused multiply-add (a portable build for x86) OpenBLAS, which looks for it when it
/// runs, is faster than anything compiled ahead; then there are no tiles.
enum RegisterTiles {
  /// Whether products are computed in register tiles.
  static let areUsed = TESSERA_HAS_FMA == 1
  /// The columns of a tile, and of a panel of a packed matrix.
  static let columns = TESSERA_VECTOR_FLOATS >= 16 ? 32 : 16
  /// The rows of a tile.
  static let rows = TESSERA_VECTOR_FLOATS >= 16 ? 8 : 4

  /// Computes a block of up to `rows` rows and `columns` columns; 16 columns at least.
  static func multiply(
    rows: Int, columns: Int, inner: Int, _ a: UnsafePointer<Float>, row: Int, term: Int,
    _ b: UnsafePointer<Float>, stride: Int,
    into c: UnsafeMutablePointer<Float>, leading: Int, accumulate: Bool
  ) {
    var (left, a, c) = (rows, a, c)
    /// One tile, and on to the rows below it.
    @inline(__always)
    func tile<let height: Int, let width: Int>(_: RegisterTile<height, width>.Type) {
      RegisterTile<height, width>.multiply(
        inner: inner, a, row: row, term: term, b, stride: stride, into: c, leading: leading,
        accumulate: accumulate)
      a += height &* row
      c += height &* leading
      left &-= height
    }
    if columns > 16 {
      while left >= 8 { tile(RegisterTile<8, 2>.self) }
      if left >= 4 { tile(RegisterTile<4, 2>.self) }
      if left >= 2 { tile(RegisterTile<2, 2>.self) }
      if left >= 1 { tile(RegisterTile<1, 2>.self) }
    } else {
      if Self.rows >= 8 { while left >= 8 { tile(RegisterTile<8, 1>.self) } }
      while left >= 4 { tile(RegisterTile<4, 1>.self) }
      if left >= 2 { tile(RegisterTile<2, 1>.self) }
      if left >= 1 { tile(RegisterTile<1, 1>.self) }
    }
  }
}
