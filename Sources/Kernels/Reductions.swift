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
