/// y[i] = erf(x[i]) = 2 / sqrt(pi) times the integral of e^(-t^2) from 0 to x[i]; `y` may be `x`.
///
/// Accurate to 4 ulp; NaN stays NaN.
public func errorFunction(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = errorFunction(x[i]) }
}

/// erf x = x P(x^2) up to 1, and 1 - e^(-R(|x|)) with the sign of x above, 1 in Float beyond 4.
///
/// P and R, of degrees 6 and 8, are the polynomials of least relative error of the results (by weighted
/// least squares at 4000 Chebyshev nodes, weights raised where the error was large).
@_transparent
func errorFunction(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let size = magnitude(x)
  let square = x * x
  var p = multiplyAdd(square, 7.889_653_8e-5, -8.021_014_3e-4)
  p = multiplyAdd(p, square, 0.005_189_556_9)
  p = multiplyAdd(p, square, -0.026_854_457)
  p = multiplyAdd(p, square, 0.112_836_006)
  p = multiplyAdd(p, square, -0.376_126_27)
  p = multiplyAdd(p, square, 1.128_379_2)
  let near = x * p

  let bounded = smaller(size, SIMD16(repeating: 4))
  var r = multiplyAdd(bounded, -2.514_304_9e-7, 2.531_629_1e-5)
  r = multiplyAdd(r, bounded, -4.637_970_5e-4)
  r = multiplyAdd(r, bounded, 0.004_282_413_4)
  r = multiplyAdd(r, bounded, -0.025_373_62)
  r = multiplyAdd(r, bounded, 0.108_639_08)
  r = multiplyAdd(r, bounded, 0.633_039_55)
  r = multiplyAdd(r, bounded, 1.129_661_2)
  r = multiplyAdd(r, bounded, -2.043_656e-4)
  let far = floats(bits(1 - exponential(-r)) | (bits(x) & Int32.min))
  return near.replacing(with: far, where: size .> 1)
}
