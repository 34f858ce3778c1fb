import COpenBLAS
import CProcessor

// MARK: - Packed matrices

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
  /// The columns of a panel.
  var panel: Int { RegisterTiles.columns }

  /// Where a column of the first row lies, and how far it is from row to row.
  @inline(__always)
  func place(_ column: Int) -> (offset: Int, stride: Int) {
    let start = column / panel * panel
    let width = min(panel, paddedColumns - start)
    return (start * inner + column - start, width)
  }

  /// Packs B `[inner, columns]`, stored row by row.
  ///
  /// - Parameter leading: floats from row to row; as many as columns unless something else is said.
  func pack(
    _ b: UnsafePointer<Float>, leading: Int? = nil, into packed: UnsafeMutablePointer<Float>
  ) {
    let leading = leading ?? columns
    // Row by row, as B lies in memory.
    for k in 0..<inner {
      let row = b + k &* leading
      var (start, panelStart) = (0, 0)
      while start < columns {
        let width = min(panel, paddedColumns &- start)
        let target = packed + (panelStart &+ k &* width)
        for i in vectors(min(width, columns &- start)) {
          target.store((row + start)[i], at: i.start)
        }
        start &+= width
        panelStart &+= width &* inner
      }
    }
  }

  /// Packs B `[inner, columns]`, given its transpose `[columns, inner]` row by row.
  ///
  /// - Parameter leading: floats from row to row of the transpose; `inner` unless something else is said.
  func packTransposed(
    _ b: UnsafePointer<Float>, leading: Int? = nil, into packed: UnsafeMutablePointer<Float>
  ) {
    let leading = leading ?? inner
    for column in stride(from: 0, to: columns, by: 16) {
      let (offset, width) = place(column)
      let height = min(16, columns - column)
      let left = columns - column - 16
      for k in stride(from: 0, to: inner, by: 16) {
        // The next rows of B, of which each is a stream of its own.
        if left > 0 {
          for row in column + 16..<column + 16 + min(16, left) {
            tessera_prefetch_soon(b + (row &* leading &+ k))
          }
        }
        transpose(
          rows: height, columns: min(16, inner - k), b + (column * leading + k), leading: leading,
          into: packed + (offset + k * width), leading: width)
      }
    }
  }

  /// C = A B + start, or C += A B, for A `[rows, inner]` and packed B.
  ///
  /// C has `paddedColumns` columns, and rows `leading` floats apart. Sums are made of sums of
  /// `longestRun` terms or, with `inStages`, of half of `longestSum` where they are longer than that.
  ///
  /// - Parameters:
  ///   - start: a row of `paddedColumns` values to begin with, in place of zeros.
  ///   - terms: the terms that are summed, the first ones; all unless something else is said.
  ///   - columns: the columns that are computed, in whole vectors; all unless something else is said.
  ///   - next: the matrices of a product of the same sizes that is computed next.
  func multiply(
    rows: Int, _ a: UnsafePointer<Float>, leading lda: Int, _ packed: UnsafePointer<Float>,
    into c: UnsafeMutablePointer<Float>, leading ldc: Int, accumulate: Bool = false,
    startingAt start: UnsafePointer<Float>? = nil, inStages: Bool = false, terms: Int? = nil,
    columns: Int? = nil, next: (a: UnsafePointer<Float>, packed: UnsafePointer<Float>)? = nil
  ) {
    let terms = terms ?? inner
    let columns = columns.map { ($0 + 15) & ~15 } ?? paddedColumns
    let stage = inStages ? stage(of: terms) : max(min(terms, longestRun), 1)
    let panels = (columns + panel - 1) / panel
    var prefetch = TilePrefetch()
    for block in stride(from: 0, to: rows, by: Self.block) {
      let count = min(Self.block, rows - block)
      let end = block + count
      // The tiles of a panel, stage by stage.
      let tiles =
        (count + RegisterTiles.rows - 1) / RegisterTiles.rows * ((terms + stage - 1) / stage)
      if end < rows || next != nil {
        prefetch.first = TilePrefetch.Stream(
          end < rows ? a + end * lda : next!.a,
          count: min(Self.block, end < rows ? rows - end : rows) * lda, tiles: tiles * panels)
      }
      for index in 0..<panels {
        let column = index * panel
        let width = min(panel, paddedColumns - column)
        // The next panel comes from memory, unless an earlier block of rows has met it.
        if block == 0, index + 1 < panels || next != nil {
          prefetch.second = TilePrefetch.Stream(
            index + 1 < panels ? packed + (column + panel) * inner : next!.packed,
            count: min(panel, paddedColumns) * inner, tiles: tiles)
        }
        for first in stride(from: 0, to: terms, by: stage) {
          prefetch.fetchesResults = first == 0
          RegisterTiles.multiply(
            rows: count, columns: min(width, columns - column), inner: min(stage, terms - first),
            a + (block * lda + first), row: lda, term: 1,
            packed + (column * inner + first * width), stride: width,
            into: c + (block * ldc + column), leading: ldc, accumulate: accumulate || first > 0,
            startingAt: first == 0 ? start.map { $0 + column } : nil, prefetch: &prefetch)
        }
      }
    }
  }

  /// The terms of a stage of a product in stages.
  var stage: Int { stage(of: inner) }

  private func stage(of terms: Int) -> Int {
    terms > longestSum ? longestSum / 2 : max(min(terms, longestRun), 1)
  }

  /// The rows that meet a panel before the next panel's turn: with the packed matrix they stay in the
  /// second cache.
  private static let block = 96
}

/// The most terms of a panel that meet a block of rows.
///
/// They take 32 KiB with AVX-512, 8 with AVX2. More of them would leave the first cache, fewer would pass
/// over the result more often.
private let longestRun = 128

/// Packs weights `[inner, columns]` for `multiplyFewRows`: `inner` times the columns in whole vectors.
public func packWeights(
  inner: Int, columns: Int, _ weights: UnsafePointer<Float>,
  into packed: UnsafeMutablePointer<Float>
) {
  PackedMatrix(inner: inner, columns: columns).pack(weights, into: packed)
}

/// C = A B for few rows of A `[rows, inner]` and packed B.
///
/// The time is that of reading B from front to back. The workspace has 16 floats a row.
public func multiplyFewRows(
  _ rows: Int, inner: Int, columns: Int, _ a: UnsafePointer<Float>,
  packed b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let matrix = PackedMatrix(inner: inner, columns: columns)
  let whole = columns & ~15
  var column = 0
  while column < whole {
    let (offset, stride) = matrix.place(column)
    var width = min(stride, whole - column)
    // Eight rows at a time read half a panel once; six would leave two, which read it again.
    let first = width >= 32 && rows >= 8 ? 8 : 0
    if first > 0 {
      width = 32
      // The first rows fetch the panel for all.
      RegisterTile<8, 2>.multiply(
        inner: inner, a, row: inner, term: 1, b + offset, stride: stride, into: c + column,
        leading: columns, accumulate: false, ahead: 6144)
    }
    if rows > first {
      RegisterTiles.multiply(
        rows: rows - first, columns: width, inner: inner, a + first * inner, row: inner, term: 1,
        b + offset, stride: stride, into: c + (first * columns + column), leading: columns,
        accumulate: false)
    }
    column += width
  }
  guard whole < columns else { return }
  let (offset, stride) = matrix.place(whole)
  RegisterTiles.multiply(
    rows: rows, columns: 16, inner: inner, a, row: inner, term: 1, b + offset, stride: stride,
    into: workspace, leading: 16, accumulate: false)
  let lanes = Lanes(start: 0, count: columns - whole)
  for row in 0..<rows { (c + (row * columns + whole))[lanes] = (workspace + row * 16)[lanes] }
}

/// C = A^T B, or C += A^T B, for A `[terms, rows]` and B `[terms, columns]`, stored row by row.
///
/// `columns` is a multiple of 16; with no terms C is left as it was. It is for matrices that lie in a
/// near cache; see `TransposedProduct` for larger ones.
func multiplyTransposed(
  rows: Int, columns: Int, terms: Int, _ a: UnsafePointer<Float>, leading lda: Int,
  _ b: UnsafePointer<Float>, leading ldb: Int,
  into c: UnsafeMutablePointer<Float>, leading ldc: Int, accumulate: Bool,
  next: (a: UnsafePointer<Float>, b: UnsafePointer<Float>)? = nil
) {
  var prefetch = TilePrefetch()
  if let next {
    let panels = (columns + RegisterTiles.columns - 1) / RegisterTiles.columns
    let tiles = panels * ((rows + RegisterTiles.rows - 1) / RegisterTiles.rows)
    prefetch.first = TilePrefetch.Stream(next.a, count: terms * lda, tiles: tiles)
    prefetch.second = TilePrefetch.Stream(next.b, count: terms * ldb, tiles: tiles)
  }
  for first in stride(from: 0, to: terms, by: longestSum) {
    for column in stride(from: 0, to: columns, by: RegisterTiles.columns) {
      RegisterTiles.multiply(
        rows: rows, columns: min(RegisterTiles.columns, columns - column),
        inner: min(longestSum, terms - first), a + first * lda, row: 1, term: lda,
        b + (first * ldb + column), stride: ldb, into: c + column, leading: ldc,
        accumulate: accumulate || first > 0, prefetch: &prefetch)
    }
  }
}

/// The sum of A^T B over many terms, for A `[terms, rows]` and B `[terms, columns]`, stored row by row
/// without gaps.
///
/// Panels of B are packed on the way: rows that lie a power of two apart, as channels mostly do, compete
/// for the same few places of the first cache. Of A each value is read but once for 64 columns, so that it
/// is not worth the copying.
struct TransposedProduct {
  /// The columns of A, and the rows of the product.
  let rows: Int
  /// The columns of B and of the product; a multiple of 16.
  let columns: Int

  /// The terms of a block.
  private static let block = 128

  /// The scratch memory: a panel of a block of B.
  var words: Int { Self.block * min(columns, RegisterTiles.columns) }

  /// C += A^T B, and the sums of the first columns of B too, if they are wanted.
  func add(
    terms: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
    to c: UnsafeMutablePointer<Float>, sums: UnsafeMutablePointer<Float>? = nil,
    summed: Int = 0, workspace packed: UnsafeMutablePointer<Float>
  ) {
    let (panel, height) = (RegisterTiles.columns, RegisterTiles.rows)
    let tiles = ((columns + panel - 1) / panel) * ((rows + height - 1) / height)
    for first in stride(from: 0, to: terms, by: Self.block) {
      let count = min(Self.block, terms - first)
      let (a, b) = (a + first * rows, b + first * columns)
      // The tiles fetch the next blocks.
      var prefetch = TilePrefetch()
      let rest = min(Self.block, terms - first - count)
      if rest > 0 {
        prefetch.first = TilePrefetch.Stream(a + count * rows, count: rest * rows, tiles: tiles)
        prefetch.second = TilePrefetch.Stream(
          b + count * columns, count: rest * columns, tiles: tiles)
      }
      for column in stride(from: 0, to: columns, by: panel) {
        let width = min(panel, columns - column)
        // The panel is still in the first cache when it is read.
        PackedMatrix(inner: count, columns: width).pack(
          b + column, leading: columns, into: packed)
        if let sums, column < summed {
          columnSums(
            rows: count, columns: min(width, summed - column), leading: width, of: packed,
            into: sums + column, accumulate: true)
        }
        for row in stride(from: 0, to: rows, by: height) {
          RegisterTiles.multiply(
            rows: min(height, rows - row), columns: width, inner: count, a + row, row: 1,
            term: rows, packed, stride: width,
            into: c + (row * columns + column), leading: columns, accumulate: true,
            prefetch: &prefetch)
        }
      }
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

// MARK: - BLAS

/// Tells BLAS to compute each product in the thread that asks for it.
///
/// Call it once, before the first product: parallelism belongs to the lanes, not to the kernels.
public func useSingleThreadedBLAS() {
  openblas_set_num_threads(1)
}

/// C = alpha op(A) op(B) + beta C, row-major, with op the identity or the transpose.
///
/// op(A) is [m, k], op(B) [k, n], C [m, n]. Where op(B) transposes, say what op(A) does too. A leading dimension is the distance between rows as
/// stored. Any of m, n, k may be 0; with k = 0 the result is beta C. With beta = 0 what C held,
/// NaN included, is forgotten.
public func gemm(
  _ m: Int, _ n: Int, _ k: Int, alpha: Float = 1,
  _ a: UnsafePointer<Float>, leading lda: Int, transposed ta: Bool = false,
  _ b: UnsafePointer<Float>, leading ldb: Int, transposed tb: Bool = false,
  beta: Float = 0, into c: UnsafeMutablePointer<Float>, leading ldc: Int
) {
  guard m > 0, n > 0 else { return }
  guard k > 0 else {
    for row in 0..<m {
      let y = c + row * ldc
      if beta == 0 {
        fill(count: n, with: 0, into: y)
      } else {
        scale(count: n, y, by: beta, into: y)
      }
    }
    return
  }
  cblas_sgemm(
    CblasRowMajor, ta ? CblasTrans : CblasNoTrans, tb ? CblasTrans : CblasNoTrans,
    blasint(m), blasint(n), blasint(k), alpha, a, blasint(lda), b, blasint(ldb),
    beta, c, blasint(ldc))
}

/// C[i] = op(A[i]) op(B[i]) for each of `batch` pairs of matrices, stored one behind the other.
///
/// op(A[i]) is [rows, inner], op(B[i]) [inner, columns], C[i] [rows, columns]; a transposed matrix
/// is stored the other way round. With `accumulate` the products are added to C.
public func batchedMatrixProduct(
  batch: Int, rows: Int, columns: Int, inner: Int, transposeA: Bool, transposeB: Bool,
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into c: UnsafeMutablePointer<Float>,
  accumulate: Bool = false
) {
  for i in 0..<batch {
    gemm(
      rows, columns, inner,
      a + i * rows * inner, leading: transposeA ? rows : inner, transposed: transposeA,
      b + i * inner * columns, leading: transposeB ? inner : columns, transposed: transposeB,
      beta: accumulate ? 1 : 0, into: c + i * rows * columns, leading: columns)
  }
}

/// The processors for which the kernels are compiled: a level of x86-64 as the psABI numbers them, such as
/// "x86-64-v3", or the architecture.
public let kernelLevel: String = {
  #if arch(x86_64)
    ["x86-64", "x86-64-v2", "x86-64-v3", "x86-64-v4"][Int(TESSERA_LEVEL) - 1]
  #elseif arch(arm64)
    "arm64"
  #else
    "other"
  #endif
}()

/// What decides the last bits of this build's kernels: the processor's registers, as told to the
/// compiler, and the version of the compiler.
public let kernelArithmetic: String = {
  #if arch(x86_64)
    let processor = "x86-64"
  #elseif arch(arm64)
    let processor = "arm64"
  #else
    let processor = "other"
  #endif
  #if compiler(>=6.3)
    let compiler = "6.3"
  #elseif compiler(>=6.2)
    let compiler = "6.2"
  #else
    let compiler = "6.1"
  #endif
  return
    "\(processor), \(TESSERA_VECTOR_FLOATS) floats, \(TESSERA_HAS_FMA) fused, Swift \(compiler)"
}()
