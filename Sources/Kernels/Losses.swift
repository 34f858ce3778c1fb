/// The mean of (a[i] - b[i])^2, in Double; 0 where there is nothing to compare.
public func meanSquaredError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  var total = SIMD16<Double>.zero
  for i in vectors(count) {
    let d = doubles(a[i]) - doubles(b[i])
    total += d * d
  }
  return sum(total) / Double(count)
}

/// y[i] = factor 2 / count (a[i] - b[i]): the gradient of factor times the mean squared error with
/// respect to a; `y` may be `a` or `b`.
public func meanSquaredErrorGradient(
  count: Int, factor: Float, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  let slope = Float(2 * Double(factor) / Double(max(count, 1)))
  for i in vectors(count) { y[i] = (a[i] - b[i]) * slope }
}

/// The mean of |a[i] - b[i]|, in Double; 0 where there is nothing to compare.
public func meanAbsoluteError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  var total = SIMD16<Double>.zero
  for i in vectors(count) { total += doubles(magnitude(a[i] - b[i])) }
  return sum(total) / Double(count)
}

/// y[i] = factor sign(a[i] - b[i]) / count, 0 at ties: the gradient of factor times the mean
/// absolute error with respect to a; `y` may be `a` or `b`.
///
/// A NaN difference gives NaN.
public func meanAbsoluteErrorGradient(
  count: Int, factor: Float, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  let slope = Float(Double(factor) / Double(max(count, 1)))
  for i in vectors(count) {
    // Times 2^157 the smallest difference is above 1, so the bounds leave the sign, zero and NaN.
    let d = (a[i] - b[i]) * 0x1p127 * 0x1p30
    y[i] = smaller(larger(d, SIMD16(repeating: -1)), SIMD16(repeating: 1)) * slope
  }
}
