// What every test of this folder needs: numbers to compute with, and a measure of how far two
// results are apart.

/// `count` numbers, uniform in -size ..< size, the same for the same seed.
func noise(_ count: Int, seed: UInt64, size: Float = 1) -> [Float] {
  var state = seed &* 0x9e37_79b9_7f4a_7c15 &+ 0x1234_5678_9abc_def1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return size * (Float(state >> 40) / 8_388_608 - 1)
  }
}

/// The largest |a - b| / (1 + |b|); infinite where the lengths differ or only one is NaN.
func distance(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  var worst = 0.0
  for (a, b) in zip(a, b) where !(a.isNaN && b.isNaN) && Double(a) != b {
    let apart = abs(Double(a) - b) / (1 + abs(b))
    worst = max(worst, apart.isNaN ? .infinity : apart)
  }
  return worst
}

/// |a - b| / |b| in the Euclidean norm: for sums of many terms, where single elements may cancel.
func relativeError(_ a: [Float], _ b: [Double]) -> Double {
  guard a.count == b.count else { return .infinity }
  let error = zip(a, b).reduce(0) { $0 + (Double($1.0) - $1.1) * (Double($1.0) - $1.1) }
  let norm = b.reduce(0) { $0 + $1 * $1 }
  if error.isNaN { return .infinity }
  return error == 0 ? 0 : (error / norm).squareRoot()
}

/// The gradient of f at x by central differences.
func slopes(at x: [Double], step: Double = 1e-5, of f: ([Double]) -> Double) -> [Double] {
  var x = x
  return x.indices.map { i in
    let old = x[i]
    x[i] = old + step
    let above = f(x)
    x[i] = old - step
    let below = f(x)
    x[i] = old
    return (above - below) / (2 * step)
  }
}

/// The sum of a[i] b[i].
func dot(_ a: [Double], _ b: [Double]) -> Double { zip(a, b).reduce(0) { $0 + $1.0 * $1.1 } }

extension [Float] {
  /// The same numbers in Double.
  var exact: [Double] { map(Double.init) }
}

/// Lengths around the width of a vector.
let lengths = [0, 1, 7, 8, 9, 15, 16, 17, 31, 33, 100]
