import COpenBLAS

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
