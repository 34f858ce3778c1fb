/// y[i] = the natural logarithm of x[i]; `y` may be `x`.
///
/// Accurate to 2 ulp over the whole range of Float, subnormal arguments included: -inf at 0, NaN below
/// it, inf at inf.
public func logarithm(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = logarithm(x[i]) }
}

/// log x = n ln 2 + log m with x = 2^n m and sqrt(1/2) <= m < sqrt(2).
///
///     log m = 2 artanh(s) = 2 (s + s^3 / 3 + s^5 / 5 + ...),    s = (m - 1) / (m + 1)
///
/// As |s| < 0.172, what is left off behind s^9 is below 0.02 ulp. The high part of ln 2 has nine bits,
/// so n times it is exact.
@_transparent
func logarithm(_ x: SIMD16<Float>) -> SIMD16<Float> {
  // What is subnormal is scaled into the normal range first.
  let isTiny = x .< Float.leastNormalMagnitude
  let normal = x.replacing(with: x * 0x1p25, where: isTiny)
  // The exponent of x sqrt(2), rounded down, is the n that leaves m in its range.
  let offset = bits(normal) &- 0x3f35_04f3
  let exponent = offset &>> 23
  let m = floats(bits(normal) &- (exponent &<< 23))
  let unscaled = SIMD16<Float>(exponent)
  let n = unscaled.replacing(with: unscaled - 25, where: isTiny)

  let f = m - 1
  let s = f / (m + 1)
  let square = s * s
  var p = multiplyAdd(square, 0.222_222_22, 0.285_714_3)
  p = multiplyAdd(p, square, 0.4)
  p = multiplyAdd(p, square, 0.666_666_7)
  // 2 s = f - s f, where f is exact.
  let series = multiplyAdd(s, multiplyAdd(p, square, -f), f)
  var y = multiplyAdd(n, 0.693_359_375, multiplyAdd(n, -2.121_944_4e-4, series))
  y.replace(with: x, where: x .== .infinity)
  y.replace(with: -.infinity, where: x .== 0)
  y.replace(with: .nan, where: .!(x .>= 0))
  return y
}
