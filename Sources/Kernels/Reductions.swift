/// The sum of x[i], in Double.
public func sum(count: Int, _ x: UnsafePointer<Float>) -> Double {
  reduce(count, x, x) { a, _ in SIMD8<Double>(a) }
}

/// The sum of x[i]^2, in Double.
public func sumOfSquares(count: Int, _ x: UnsafePointer<Float>) -> Double {
  reduce(count, x, x) { a, _ in
    let d = SIMD8<Double>(a)
    return d * d
  }
}

/// Whether no x[i] is NaN or infinite.
public func allFinite(count: Int, _ x: UnsafePointer<Float>) -> Bool {
  // x * 0 is zero for finite x and NaN otherwise, and a NaN stays in the sum.
  var a = SIMD8<Float>.zero
  var b = SIMD8<Float>.zero
  var i = 0
  while i &+ 16 <= count {
    a += x.vector(i) * 0
    b += x.vector(i &+ 8) * 0
    i &+= 16
  }
  var rest: Float = 0
  while i < count {
    rest += x[i] * 0
    i &+= 1
  }
  return (a + b).sum() + rest == 0
}

/// The sum of a[i] b[i], in Double.
@inline(__always)
func dotProduct(_ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>) -> Double {
  reduce(count, a, b) { SIMD8<Double>($0) * SIMD8<Double>($1) }
}

/// The sum of f(a[i], b[i]) in Double, where f(0, 0) = 0.
@inline(__always)
func reduce(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  _ f: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Double>
) -> Double {
  // Two sums, because one addition must otherwise wait for the one before it.
  var even = SIMD8<Double>.zero
  var odd = SIMD8<Double>.zero
  var i = 0
  while i &+ 16 <= count {
    even += f(a.vector(i), b.vector(i))
    odd += f(a.vector(i &+ 8), b.vector(i &+ 8))
    i &+= 16
  }
  if i &+ 8 <= count {
    even += f(a.vector(i), b.vector(i))
    i &+= 8
  }
  if i < count {
    odd += f(a.vector(i, count: count &- i), b.vector(i, count: count &- i))
  }
  return (even + odd).sum()
}
