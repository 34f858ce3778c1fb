/// y[i] = 1 where x[i] > 0, else 0; NaN where x[i] is not finite; `y` may be `x`.
public func signBits(
  count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  let one = SIMD16<Float>(repeating: 1)
  for i in vectors(count) {
    // x * 0 is zero for finite x and NaN otherwise.
    let v = x[i]
    y[i] = selecting(where: .zero, isBelow: v, one, else: .zero) + v * 0
  }
}
