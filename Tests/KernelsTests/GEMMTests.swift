import Kernels
import Testing

@Suite struct GEMMTests {
  struct Sizes: Sendable {
    var m, n, k: Int
  }

  @Test(
    arguments: [
      Sizes(m: 1, n: 1, k: 1), Sizes(m: 5, n: 7, k: 3), Sizes(m: 17, n: 9, k: 33),
      Sizes(m: 64, n: 3, k: 1), Sizes(m: 0, n: 4, k: 2), Sizes(m: 4, n: 0, k: 2),
      Sizes(m: 3, n: 5, k: 0),
    ], [(false, false), (false, true), (true, false), (true, true)])
  func productsOfAllShapes(_ s: Sizes, _ transposed: (Bool, Bool)) {
    useSingleThreadedBLAS()
    let (ta, tb) = transposed
    // Leading dimensions two wider than the rows, so that a mix-up shows.
    let (lda, ldb, ldc) = ((ta ? s.m : s.k) + 2, (tb ? s.k : s.n) + 2, s.n + 2)
    let a = noise(((ta ? s.k : s.m) + 1) * lda, seed: 1)
    let b = noise(((tb ? s.n : s.k) + 1) * ldb, seed: 2)
    let before = noise((s.m + 1) * ldc, seed: 3)
    for (alpha, beta) in [(Float(1), Float(0)), (-2, 1), (0.5, -0.25)] {
      var expected = before.exact
      for i in 0..<s.m {
        for j in 0..<s.n {
          var sum = 0.0
          for l in 0..<s.k {
            sum +=
              Double(ta ? a[l * lda + i] : a[i * lda + l])
              * Double(tb ? b[j * ldb + l] : b[l * ldb + j])
          }
          expected[i * ldc + j] = Double(alpha) * sum + Double(beta) * expected[i * ldc + j]
        }
      }
      var c = before
      gemm(
        s.m, s.n, s.k, alpha: alpha, a, leading: lda, transposed: ta, b, leading: ldb,
        transposed: tb, beta: beta, into: &c, leading: ldc)
      #expect(distance(c, expected) < 1e-5)
    }
  }

  @Test(arguments: [0, 2]) func zeroBetaForgetsWhatWasThere(inner: Int) {
    var c: [Float] = [.nan, .infinity, .nan, 1]
    gemm(
      2, 2, inner, [1, 2, 3, 4], leading: 2, [1, 0, 0, 1], leading: 2, into: &c, leading: 2)
    #expect(c == (inner == 0 ? [0, 0, 0, 0] : [1, 2, 3, 4]))
  }

  @Test(arguments: [(false, false), (false, true), (true, false), (true, true)])
  func batchesAreProductsOneByOne(transposed: (Bool, Bool)) {
    let (rows, columns, inner) = (3, 5, 4)
    let a = noise(3 * rows * inner, seed: 4)
    let b = noise(3 * inner * columns, seed: 5)
    var c = noise(3 * rows * columns, seed: 6)
    var expected = c.exact
    for n in 0..<3 {
      for i in 0..<rows {
        for j in 0..<columns {
          var sum = 0.0
          for l in 0..<inner {
            let left = a[n * rows * inner + (transposed.0 ? l * rows + i : i * inner + l)]
            let right = b[n * inner * columns + (transposed.1 ? j * inner + l : l * columns + j)]
            sum += Double(left) * Double(right)
          }
          expected[(n * rows + i) * columns + j] += sum
        }
      }
    }
    batchedMatrixProduct(
      batch: 3, rows: rows, columns: columns, inner: inner, transposeA: transposed.0,
      transposeB: transposed.1, a, b, into: &c, accumulate: true)
    #expect(distance(c, expected) < 1e-5)
    batchedMatrixProduct(
      batch: 3, rows: rows, columns: columns, inner: inner, transposeA: transposed.0,
      transposeB: transposed.1, a, b, into: &c)
    let fresh = zip(expected, noise(3 * rows * columns, seed: 6)).map { $0 - Double($1) }
    #expect(distance(c, fresh) < 1e-5)
  }
}
