/// The mean of (a[i] - b[i])^2, in Double; 0 where there is nothing to compare.
public func meanSquaredError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  let total = reduce(count, a, b) {
    let d = SIMD8<Double>($0) - SIMD8<Double>($1)
    return d * d
  }
  return total / Double(count)
}

/// y[i] = factor 2 / count (a[i] - b[i]): the gradient of factor times the mean squared error with
/// respect to a; `y` may be `a` or `b`.
public func meanSquaredErrorGradient(
  count: Int, factor: Float, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  let slope = Float(2 * Double(factor) / Double(max(count, 1)))
  map(count, a, b, into: y) { ($0 - $1) * slope }
}

/// The mean of |a[i] - b[i]|, in Double; 0 where there is nothing to compare.
public func meanAbsoluteError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  return reduce(count, a, b) { SIMD8<Double>(magnitude($0 - $1)) } / Double(count)
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
  map(count, a, b, into: y) {
    // Times 2^157 the smallest difference is above 1, so the bounds leave the sign, zero and NaN.
    smaller(larger(($0 - $1) * 0x1p127 * 0x1p30, SIMD8(repeating: -1)), SIMD8(repeating: 1)) * slope
  }
}
