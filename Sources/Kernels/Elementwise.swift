#if canImport(Glibc)
  import Glibc
#else
  import Darwin
#endif

/// y[i] = a[i] + b[i]; `y` may be `a` or `b`.
public func add(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = a[i] + b[i] }
}

/// y[i] = a[i] - b[i]; `y` may be `a` or `b`.
public func subtract(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = a[i] - b[i] }
}

/// y[i] = a[i] b[i]; `y` may be `a` or `b`.
public func multiply(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = a[i] * b[i] }
}

/// y[i] = a[i] + b[i] c[i], rounded twice; `y` may be any of them.
public func addProduct(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, _ c: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = a[i] + b[i] * c[i] }
}

/// y[i] = a[i] / b[i]; `y` may be `a` or `b`.
public func divide(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = a[i] / b[i] }
}

/// y[i] = a[i]^b[i], as C's `pow`, one element at a time; `y` may be `a` or `b`.
public func power(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in 0..<count { y[i] = pow(a[i], b[i]) }
}

/// y[i] = the larger of a[i] and b[i], NaN where one of them is; `y` may be `a` or `b`.
public func maximum(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let (a, b) = (a[i], b[i])
    y[i] = larger(a, b).replacing(with: b, where: b .!= b)
  }
}

/// y[i] = the smaller of a[i] and b[i], NaN where one of them is; `y` may be `a` or `b`.
public func minimum(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let (a, b) = (a[i], b[i])
    y[i] = smaller(a, b).replacing(with: b, where: b .!= b)
  }
}

/// y[i] = 1 where a[i] > b[i], else 0, as where one of them is NaN; `y` may be `a` or `b`.
public func isGreater(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    y[i] = selecting(where: b[i], isBelow: a[i], SIMD16(repeating: 1), else: .zero)
  }
}

/// y[i] = 1 where a[i] = b[i], else 0, as where one of them is NaN; `y` may be `a` or `b`.
public func isEqual(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    y[i] = SIMD16.zero.replacing(with: SIMD16(repeating: 1), where: a[i] .== b[i])
  }
}

/// y[i] = a[i] where condition[i] > 0, else b[i]; `y` may be any of them.
public func choose(
  count: Int, _ condition: UnsafePointer<Float>, _ a: UnsafePointer<Float>,
  _ b: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    y[i] = selecting(where: .zero, isBelow: condition[i], a[i], else: b[i])
  }
}

/// y[i] = |x[i]|; `y` may be `x`.
public func magnitude(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = magnitude(x[i]) }
}

/// y[i] = -1, 0 or 1 as x[i] is below, at or above 0, and NaN where it is NaN; `y` may be `x`.
public func sign(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let x = x[i]
    let positive = x.replacing(with: SIMD16(repeating: 1), where: x .> 0)
    y[i] = positive.replacing(with: SIMD16(repeating: -1), where: x .< 0)
  }
}

/// y[i] = the square root of x[i]; `y` may be `x`.
public func squareRoot(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = squareRoot(x[i]) }
}

/// y[i] = factor x[i]; `y` may be `x`.
public func scale(
  count: Int, _ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = x[i] * factor }
}

/// y[i] += x[i].
public func accumulate(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = y[i] + x[i] }
}

/// y[i] = value.
public func fill(count: Int, with value: Float, into y: UnsafeMutablePointer<Float>) {
  y.update(repeating: value, count: count)
}

/// y[i] = x[i] for buffers that do not overlap.
///
/// Inlined, because a call to `memcpy` costs more than a run of a few vectors.
@inline(__always)
func copy(_ count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>) {
  for i in vectors(count) { y[i] = x[i] }
}

/// y[r, c] = x[r, c] scale[c] + offset[c], with x and y [rows, channels]; `y` may be `x`.
///
/// The product is rounded before the sum on every processor: 3 (1 / 3) - 1 is 0, as a code of finite
/// scalar quantization must be.
public func channelAffine(
  rows: Int, channels: Int, _ x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
  offset: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * channels
    for c in vectors(channels) {
      y[c + start] = x[c + start] * scale[c] + offset[c]
    }
  }
}
