/// y[i] = max(x[i], 0); `y` may be `x`, and NaN stays NaN.
public func relu(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = larger(x[i], .zero) }
}

/// y[i] = outputGradient[i] where x[i] > 0, else 0; may be in place over `outputGradient` or `x`.
public func reluGradient(
  count: Int, outputGradient g: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = selecting(where: .zero, isBelow: x[i], g[i], else: .zero) }
}

/// y[i] = x[i] sigmoid(x[i]); `y` may be `x`.
///
/// NaN stays NaN; of infinity it is infinity, of -infinity NaN.
public func silu(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = silu(x[i]) }
}

/// y[i] = s (1 + x (1 - s)) with s = sigmoid(x): the derivative of SiLU; `y` may be `x`.
public func siluSlope(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = siluSlope(x[i]) }
}

/// y[i] = outputGradient[i] silu'(x[i]); may be in place over `outputGradient` or `x`.
public func siluGradient(
  count: Int, outputGradient g: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = g[i] * siluSlope(x[i]) }
}

/// y[i] = silu(gate[i]) value[i]; `y` may be either.
public func swiGLU(
  count: Int, gate: UnsafePointer<Float>, value: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = silu(gate[i]) * value[i] }
}

/// The gradients of `swiGLU` with respect to gate and value; the former may be in place over
/// `outputGradient`.
public func swiGLUGradient(
  count: Int, outputGradient: UnsafePointer<Float>, gate: UnsafePointer<Float>,
  value: UnsafePointer<Float>, gateGradient: UnsafeMutablePointer<Float>,
  valueGradient: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let (g, a, b) = (outputGradient[i], gate[i], value[i])
    let s = sigmoid(a)
    gateGradient[i] = g * b * multiplyAdd(multiplyAdd(-s, s, s), a, s)
    valueGradient[i] = g * a * s
  }
}

/// y[i] = tanh(x[i]); `y` may be `x`, and NaN stays NaN.
public func tanh(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = hyperbolicTangent(x[i]) }
}

/// y[i] = 4 e / (1 + e)^2 with e = e^(-2|x|): the derivative of tanh, accurate in the tails, where
/// 1 - tanh(x)^2 cancels; `y` may be `x`.
public func tanhSlope(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = tangentSlope(x[i]) }
}

/// y[i] = outputGradient[i] tanh'(x[i]); may be in place over `outputGradient` or `x`.
public func tanhGradient(
  count: Int, outputGradient g: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = g[i] * tangentSlope(x[i]) }
}

/// y[i] = 1 / (1 + e^-x[i]); `y` may be `x`, and NaN stays NaN.
public func sigmoid(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = sigmoid(x[i]) }
}

/// y[i] = e / (1 + e)^2 with e = e^-|x|: the derivative of sigmoid, accurate in the tails, where
/// y (1 - y) cancels; `y` may be `x`.
public func sigmoidSlope(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = sigmoidSlope(x[i]) }
}

/// y[i] = outputGradient[i] sigmoid'(x[i]); may be in place over `outputGradient` or `x`.
public func sigmoidGradient(
  count: Int, outputGradient g: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = g[i] * sigmoidSlope(x[i]) }
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
