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
