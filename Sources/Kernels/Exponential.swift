/// y[i] = e^x[i]; `y` may be `x`.
///
/// Accurate to 2 ulp over the whole range of Float, subnormal results included;
/// e^-inf = 0, e^inf = inf, e^NaN = NaN, and what overflows is inf.
public func exponential(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  map(count, x, into: y) { exponential($0) }
}

/// x = n ln 2 + r with integer n and |r| <= ln 2 / 2, in two steps so that r is exact to the last
/// bit: the high part of ln 2 has nine bits, so n times it is exact.
@inline(__always)
private func reduce(_ x: SIMD8<Float>) -> (n: SIMD8<Int32>, r: SIMD8<Float>) {
  // Adding 1.5 * 2^23 leaves round(x / ln 2) in the low bits of the sum.
  let magic = SIMD8<Float>(repeating: 12_582_912)
  let t = x * 1.442_695_04 + magic
  let n = t - magic
  let r = (x - n * 0.693_359_375) - n * -2.121_944_4e-4
  return (bits(t) &- bits(magic), r)
}

/// e^r - 1 for |r| <= 0.35: the Taylor polynomial of degree 7, off by less than a tenth of an ulp
/// of e^r.
@inline(__always)
private func taylor(_ r: SIMD8<Float>) -> SIMD8<Float> {
  var p = r * (1 / 5040) + (1 / 720)
  p = p * r + (1 / 120)
  p = p * r + (1 / 24)
  p = p * r + (1 / 6)
  p = p * r + 0.5
  return r + r * r * p
}

/// 2^n for -126 <= n <= 127.
@inline(__always)
private func powerOfTwo(_ n: SIMD8<Int32>) -> SIMD8<Float> { floats((n &+ 127) &<< 23) }

/// e^x, lane by lane, to 2 ulp.
@inline(__always)
func exponential(_ x: SIMD8<Float>) -> SIMD8<Float> {
  // Beyond these bounds the result is 0 or inf anyway; a NaN passes both.
  let bounded = smaller(larger(x, SIMD8(repeating: -104)), SIMD8(repeating: 89))
  let (n, r) = reduce(bounded)
  // Half the power at a time: 2^n itself may be out of range where the result is not.
  let half = n &>> 1
  return (taylor(r) + 1) * powerOfTwo(half) * powerOfTwo(n &- half)
}

/// e^x - 1 for 0 <= x <= 80, lane by lane, accurate near zero too.
@inline(__always)
func exponentialMinusOne(_ x: SIMD8<Float>) -> SIMD8<Float> {
  let (n, r) = reduce(x)
  let power = powerOfTwo(n)
  return power * taylor(r) + (power - 1)
}
