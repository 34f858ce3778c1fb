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
  case .relu: map(count, x, into: y) { larger($0, .zero) }
  case .silu: map(count, x, into: y) { $0 * sigmoid($0) }
  case .tanh: map(count, x, into: y) { hyperbolicTangent($0) }
  case .sigmoid: map(count, x, into: y) { sigmoid($0) }
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
  switch a {
  case .relu:
    map(count, outputGradient, x, into: inputGradient) {
      selecting(where: .zero, isBelow: $1, $0, else: .zero)
    }
  case .silu: map(count, outputGradient, x, into: inputGradient) { $0 * siluSlope($1) }
  case .tanh: map(count, outputGradient, x, into: inputGradient) { $0 * tangentSlope($1) }
  case .sigmoid: map(count, outputGradient, x, into: inputGradient) { $0 * sigmoidSlope($1) }
  }
}

/// 1 / (1 + e^-x), lane by lane.
@inline(__always)
func sigmoid(_ x: SIMD8<Float>) -> SIMD8<Float> { 1 / (1 + exponential(-x)) }

/// d/dx sigmoid(x).
@inline(__always)
func sigmoidSlope(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let e = exponential(-magnitude(x))
  let sum = 1 + e
  return e / (sum * sum)
}

/// d/dx (x sigmoid(x)).
@inline(__always)
func siluSlope(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let s = sigmoid(x)
  return s * (1 + x * (1 - s))
}

/// tanh x = m / (m + 2) with m = e^2|x| - 1, and the sign of x; beyond 10 it is 1 in Float.
@inline(__always)
func hyperbolicTangent(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let m = exponentialMinusOne(2 * smaller(magnitude(x), SIMD8(repeating: 10)))
  return floats(bits(m / (m + 2)) | (bits(x) & Int32.min))
}

/// d/dx tanh x.
@inline(__always)
func tangentSlope(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let e = exponential(-2 * magnitude(x))
  let sum = 1 + e
  return 4 * e / (sum * sum)
}
