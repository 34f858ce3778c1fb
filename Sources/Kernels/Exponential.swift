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
