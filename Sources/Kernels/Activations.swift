/// An elementwise nonlinearity.
public enum Activation: Sendable, Hashable, CaseIterable {
  /// max(x, 0).
  case relu
  /// x sigmoid(x).
  case silu
  /// (e^x - e^-x) / (e^x + e^-x).
  case tanh
  /// 1 / (1 + e^-x).
  case sigmoid
}

/// y[i] = a(x[i]); `y` may be `x`.
///
/// NaN stays NaN. At the infinities each gives its limit, except that SiLU(-inf) is NaN.
public func activate(
  _ a: Activation, count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  switch a {
  case .relu: for i in vectors(count) { y[i] = larger(x[i], .zero) }
  case .silu: for i in vectors(count) { y[i] = silu(x[i]) }
  case .tanh: for i in vectors(count) { y[i] = hyperbolicTangent(x[i]) }
  case .sigmoid: for i in vectors(count) { y[i] = sigmoid(x[i]) }
  }
}

/// inputGradient[i] = outputGradient[i] a'(x[i]); may be in place over `outputGradient` or `x`.
///
/// relu' = 1 where x > 0 and 0 elsewhere, zero included; silu' = s (1 + x (1 - s)) with
/// s = sigmoid(x); tanh' = 4 e / (1 + e)^2 with e = e^(-2|x|); sigmoid' = e / (1 + e)^2 with
/// e = e^-|x|. The last two forms stay accurate in the tails, where 1 - y^2 and y (1 - y) cancel.
public func activateGradient(
  _ a: Activation, count: Int, outputGradient: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>
) {
  let (g, y) = (outputGradient, inputGradient)
  switch a {
  case .relu:
    for i in vectors(count) {
      y[i] = selecting(where: .zero, isBelow: x[i], g[i], else: .zero)
    }
  case .silu: for i in vectors(count) { y[i] = g[i] * siluSlope(x[i]) }
  case .tanh: for i in vectors(count) { y[i] = g[i] * tangentSlope(x[i]) }
  case .sigmoid: for i in vectors(count) { y[i] = g[i] * sigmoidSlope(x[i]) }
  }
}

/// 1 / (1 + e^-x), lane by lane.
@_transparent
func sigmoid(_ x: SIMD16<Float>) -> SIMD16<Float> { 1 / (1 + normalExponential(-x)) }

/// d/dx sigmoid(x).
@_transparent
func sigmoidSlope(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let e = exponential(-magnitude(x))
  let sum = 1 + e
  return e / (sum * sum)
}

/// x sigmoid(x).
@_transparent
func silu(_ x: SIMD16<Float>) -> SIMD16<Float> { x / (1 + normalExponential(-x)) }

/// d/dx (x sigmoid(x)).
@_transparent
func siluSlope(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let s = sigmoid(x)
  // s + x s (1 - s)
  return multiplyAdd(multiplyAdd(-s, s, s), x, s)
}

/// tanh x = m / (m + 2) with m = e^2|x| - 1, and the sign of x; beyond 10 it is 1 in Float.
@_transparent
func hyperbolicTangent(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let m = exponentialMinusOne(2 * smaller(magnitude(x), SIMD16(repeating: 10)))
  return floats(bits(m / (m + 2)) | (bits(x) & Int32.min))
}

/// d/dx tanh x.
@_transparent
func tangentSlope(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let e = exponential(-2 * magnitude(x))
  let sum = 1 + e
  return 4 * e / (sum * sum)
}
