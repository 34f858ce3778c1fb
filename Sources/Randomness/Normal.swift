extension Generator {
  /// A number from the normal distribution with mean 0 and variance 1.
  ///
  /// Polar method: a point (u, v) uniform in the unit disc with s = u^2 + v^2 gives
  /// u * sqrt(-2 ln s / s); points outside are drawn again, so the count of words varies. Only
  /// operations that IEEE 754 fixes to the last bit are used (the logarithm is
  /// ``naturalLogarithm(_:)``), so every platform gives the same numbers.
  ///
  /// Source: Marsaglia and Bray, "A convenient method for generating normal variables", 1964.
  public mutating func normal() -> Float {
    while true {
      let u = 2 * uniformDouble() - 1
      let v = 2 * uniformDouble() - 1
      let s = u * u + v * v
      if s > 0 && s < 1 {
        return Float(u * (-2 * naturalLogarithm(s) / s).squareRoot())
      }
    }
  }
}

/// The natural logarithm of a positive, finite, normal number, the same bits on every platform.
///
/// x = m * 2^e with m in [sqrt(1/2), sqrt 2), t = (m - 1) / (m + 1), and
/// ln x = e ln 2 + 2 (t + t^3/3 + t^5/5 + ...): |t| < 0.172, so twelve terms reach the last bit
/// or two. Libraries differ in those bits, which is why theirs is not used.
public func naturalLogarithm(_ x: Double) -> Double {
  precondition(x > 0 && x.isFinite, "a logarithm is of a positive finite number")
  var mantissa = x.significand
  var exponent = Double(x.exponent)
  if mantissa > 1.4142135623730951 {
    mantissa /= 2
    exponent += 1
  }
  let t = (mantissa - 1) / (mantissa + 1)
  let square = t * t
  var sum = 0.0
  var odd = 23.0
  while odd > 0 {
    sum = sum * square + 1 / odd
    odd -= 2
  }
  return exponent * 0.6931471805599453 + 2 * t * sum
}
