// MARK: - All elements

/// The sum of x[i], in Double.
public func sum(count: Int, _ x: UnsafePointer<Float>) -> Double {
  var total = SIMD16<Double>.zero
  for i in vectors(count) { total += doubles(x[i]) }
  return sum(total)
}

/// The sum of x[i]^2, in Double.
public func sumOfSquares(count: Int, _ x: UnsafePointer<Float>) -> Double {
  dotProduct(count, x, x)
}

/// The sum of a[i] b[i], in Double.
@inline(__always)
func dotProduct(_ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Double {
  var total = SIMD16<Double>.zero
  for i in vectors(count) { total += doubles(a[i]) * doubles(b[i]) }
  return sum(total)
}

/// Whether no x[i] is NaN or infinite.
public func allFinite(count: Int, _ x: UnsafePointer<Float>) -> Bool {
  // x * 0 is zero for finite x and NaN otherwise, and a NaN stays in the sum.
  var sum = SIMD16<Float>.zero
  for i in vectors(count) { sum += x[i] * 0 }
  return sum.sum() == 0
}

// MARK: - One axis

// Reductions over the middle one of three axes: x is [outer, count, inner].

/// y[o, i] = factor times the sum over k of x[o, k, i], each summed in Double.
public func sumAxis(
  outer: Int, count: Int, inner: Int, factor: Float, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  if inner == 1 {
    for o in 0..<outer { y[o] = Float(sum(count: count, x + o * count) * Double(factor)) }
    return
  }
  let factor = SIMD16(repeating: Double(factor))
  for o in 0..<outer {
    let source = x + o * count * inner
    for i in vectors(inner) {
      var total = SIMD16<Double>.zero
      for k in 0..<count { total += doubles(source[i + k * inner]) }
      y[i + o * inner] = floats(total * factor)
    }
  }
}

/// y[o, k, i] = factor x[o, i], for each k below `count`.
public func repeatAxis(
  outer: Int, count: Int, inner: Int, factor: Float, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for o in 0..<outer {
    let target = y + o * count * inner
    if inner == 1 {
      fill(count: count, with: x[o] * factor, into: target)
    } else {
      for k in 0..<count {
        for i in vectors(inner) { target[i + k * inner] = x[i + o * inner] * factor }
      }
    }
  }
}

/// y[o, i] = the largest x[o, k, i], NaN where one of them is; `count` is at least 1.
public func maximumOfAxis(
  outer: Int, count: Int, inner: Int, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for o in 0..<outer {
    let source = x + o * count * inner
    for i in vectors(inner) {
      var top = source[i]
      for k in 1..<max(count, 1) {
        let next = source[i + k * inner]
        top = larger(top, next).replacing(with: next, where: next .!= next)
      }
      y[i + o * inner] = top
    }
  }
}

// MARK: - Columns

/// sums[c] = the sum over r of x[r, c]: the bias gradient of a layer, for x [rows, columns].
///
/// Summed in Double. Rows are `leading` floats apart, or as many as there are columns. With
/// `accumulate` the sums are added to what is there.
public func columnSums(
  rows: Int, columns: Int, leading: Int? = nil, of x: UnsafePointer<Float>,
  into sums: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  let leading = leading ?? columns

  /// Writes the total of one vector of columns.
  func finish(_ total: SIMD16<Double>, _ c: Lanes) {
    sums[c] = accumulate ? sums[c] + floats(total) : floats(total)
  }

  // Sixty-four columns at a time, so that each row is read in runs of four cache lines.
  let wide = columns / 64 * 64
  for column in stride(from: 0, to: wide, by: 64) {
    var (a, b) = (SIMD16<Double>.zero, SIMD16<Double>.zero)
    var (c, d) = (a, b)
    var at = x + column
    for _ in 0..<rows {
      a += doubles(at.vector(0))
      b += doubles(at.vector(16))
      c += doubles(at.vector(32))
      d += doubles(at.vector(48))
      at += leading
    }
    finish(a, Lanes(start: column, count: 16))
    finish(b, Lanes(start: column + 16, count: 16))
    finish(c, Lanes(start: column + 32, count: 16))
    finish(d, Lanes(start: column + 48, count: 16))
  }
  for c in vectors(columns - wide) {
    var total = SIMD16<Double>.zero
    var at = c + wide
    for _ in 0..<rows {
      total += doubles(x[at])
      at = at + leading
    }
    finish(total, c + wide)
  }
}
