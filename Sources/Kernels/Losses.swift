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
  let slope = SIMD8<Float>(repeating: Float(Double(factor) / Double(max(count, 1))))
  map(count, a, b, into: y) {
    let difference = $0 - $1
    let size = bits(magnitude(difference))
    let signed = floats(bits(slope) ^ (bits(difference) & Int32.min))
    return
      signed
      .replacing(with: 0, where: size .== 0)
      .replacing(with: difference, where: size .> 0x7f80_0000)
  }
}
