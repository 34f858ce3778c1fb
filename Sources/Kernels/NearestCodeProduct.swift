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
