// MARK: - Exponential

/// y[i] = e^x[i]; `y` may be `x`.
///
/// Accurate to 2 ulp over the whole range of Float, subnormal results included;
/// e^-inf = 0, e^inf = inf, e^NaN = NaN, and what overflows is inf.
public func exponential(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { y[i] = exponential(x[i]) }
}

/// x = n ln 2 + r with integer n and |r| <= ln 2 / 2, in two steps so that r is exact to the last
/// bit: the high part of ln 2 has nine bits, so n times it is exact.
///
/// `biased` holds n + 127 in its low bits: shifted into place they are 2^n.
@_transparent
private func reduce(_ x: SIMD16<Float>) -> (biased: SIMD16<Int32>, r: SIMD16<Float>) {
  // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low bits of the sum.
  let magic: Float = 12_582_912 + 127
  let t = multiplyAdd(x, 1.442_695_04, magic)
  let n = t - magic
  let r = multiplyAdd(n, 2.121_944_4e-4, multiplyAdd(n, -0.693_359_375, x))
  return (bits(t), r)
}

/// (e^r - 1 - r) / r^2 for |r| <= 0.347: the polynomial of degree 4 that leaves e^r the least
/// relative error, 0.03 ulp (by weighted least squares, weights raised where the error was large).
@_transparent
private func remainder(_ r: SIMD16<Float>) -> SIMD16<Float> {
  var p = multiplyAdd(r, 0.001_381_423_7, 0.008_368_875)
  p = multiplyAdd(p, r, 0.041_668_404)
  p = multiplyAdd(p, r, 0.166_665_2)
  return multiplyAdd(p, r, 0.499_999_94)
}

/// e^r for |r| <= 0.347.
@_transparent
private func smallExponential(_ r: SIMD16<Float>) -> SIMD16<Float> {
  multiplyAdd(multiplyAdd(remainder(r), r, 1), r, 1)
}

/// 2^n for -127 <= n <= 128, of n + 127 in the low bits: 0 and inf at the ends.
@_transparent
private func powerOfTwo(_ biased: SIMD16<Int32>) -> SIMD16<Float> { floats(biased &<< 23) }

/// e^x, lane by lane, to 2 ulp.
@_transparent
func exponential(_ x: SIMD16<Float>) -> SIMD16<Float> {
  // Beyond these bounds the result is 0 or inf anyway; a NaN passes both.
  let bounded = smaller(larger(x, SIMD16(repeating: -104)), SIMD16(repeating: 89))
  let (biased, r) = reduce(bounded)
  // Half the power at a time: 2^n itself may be out of range where the result is not.
  let n = biased &- (0x4b40_0000 + 127)
  let half = n &>> 1
  return smallExponential(r) * powerOfTwo(half &+ 127) * powerOfTwo(n &- half &+ 127)
}

/// e^x, lane by lane, to 2 ulp, between 2^-126 and 2^127; 2^-126 below and inf above.
///
/// For sums with 1, where the rest of the range makes no difference.
@_transparent
func normalExponential(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let bounded = smaller(larger(x, SIMD16(repeating: -87.3)), SIMD16(repeating: 89))
  let (biased, r) = reduce(bounded)
  return smallExponential(r) * powerOfTwo(biased)
}

/// e^x - 1 for 0 <= x <= 80, lane by lane, accurate near zero too.
@_transparent
func exponentialMinusOne(_ x: SIMD16<Float>) -> SIMD16<Float> {
  let (biased, r) = reduce(x)
  let power = powerOfTwo(biased)
  return multiplyAdd(power, multiplyAdd(remainder(r) * r, r, r), power - 1)
}

// MARK: - Logarithm

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

// MARK: - Error function

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

// MARK: - Sine and cosine

/// y[i] = sin x[i]; `y` may be `x`.
///
/// Off by at most 2e-7 for |x| up to 10,000, beyond which it loses digits; NaN of what is not finite.
public func sine(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let x = x[i]
    let (n, parity) = nearestInteger(x * 0.318_309_886)
    y[i] = sineAround(x, n, parity)
  }
}

/// y[i] = cos x[i]; `y` may be `x`.
///
/// As accurate as `sine`.
public func cosine(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) {
    let x = x[i]
    // cos x = sin(x + pi / 2), and x + pi / 2 - n pi = x - (n - 1/2) pi.
    let (n, parity) = nearestInteger(multiplyAdd(x, 0.318_309_886, 0.5))
    y[i] = sineAround(x, n - 0.5, parity)
  }
}

/// The nearest whole number to one of size up to 2^22, and that number's last bit.
@_transparent
private func nearestInteger(
  _ x: SIMD16<Float>
) -> (n: SIMD16<Float>, parity: SIMD16<Int32>) {
  // Adding 1.5 * 2^23 leaves it in the low bits of the sum.
  let t = x + 12_582_912
  return (t - 12_582_912, bits(t) & 1)
}

/// (-1)^parity sin(x - n pi), for a difference of at most pi / 2.
///
/// pi in three parts, of which n times the first two is exact; then sin r = r + r^3 P(r^2) with P of
/// degree 4, off by 2.4e-11 (by weighted least squares, weights raised where the error was large).
@_transparent
private func sineAround(
  _ x: SIMD16<Float>, _ n: SIMD16<Float>, _ parity: SIMD16<Int32>
) -> SIMD16<Float> {
  var r = multiplyAdd(n, -3.140_625, x)
  r = multiplyAdd(n, -9.675_025_939_941_406e-4, r)
  r = multiplyAdd(n, -1.509_958e-7, r)
  let square = r * r
  var p = multiplyAdd(square, -2.388_658_64e-8, 2.752_525_56e-6)
  p = multiplyAdd(p, square, -1.984_086_58e-4)
  p = multiplyAdd(p, square, 8.333_331_09e-3)
  p = multiplyAdd(p, square, -0.166_666_666)
  let y = multiplyAdd(r * square, p, r)
  return floats(bits(y) ^ (parity &<< 31))
}
