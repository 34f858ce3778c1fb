/// y[i] = a[i] + b[i]; `y` may be `a` or `b`.
public func add(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  map(count, a, b, into: y) { $0 + $1 }
}

/// y[i] = a[i] - b[i]; `y` may be `a` or `b`.
public func subtract(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  map(count, a, b, into: y) { $0 - $1 }
}

/// y[i] = a[i] b[i]; `y` may be `a` or `b`.
public func multiply(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  map(count, a, b, into: y) { $0 * $1 }
}

/// y[i] = factor x[i]; `y` may be `x`.
public func scale(
  count: Int, _ x: UnsafePointer<Float>, by factor: Float, into y: UnsafeMutablePointer<Float>
) {
  map(count, x, into: y) { $0 * factor }
}

/// y[i] += x[i].
public func accumulate(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  map(count, x, y, into: y) { $1 + $0 }
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
  var i = 0
  while i &+ 8 <= count {
    y.store(x.vector(i) as SIMD8<Float>, at: i)
    i &+= 8
  }
  while i < count {
    y[i] = x[i]
    i &+= 1
  }
}

/// y[r, c] = x[r, c] scale[c] + offset[c], with x and y [rows, channels]; `y` may be `x`.
public func channelAffine(
  rows: Int, channels: Int, _ x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
  offset: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * channels
    var c = 0
    while c &+ 8 <= channels {
      y.store((x.vector(start &+ c) * scale.vector(c) + offset.vector(c)) as SIMD8<Float>, at: start &+ c)
      c &+= 8
    }
    while c < channels {
      y[start &+ c] = x[start &+ c] * scale[c] + offset[c]
      c &+= 1
    }
  }
}
