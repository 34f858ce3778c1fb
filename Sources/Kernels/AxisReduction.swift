// Reductions over the middle one of three axes: x is [outer, count, inner].

/// y[o, i] = factor times the sum over k of x[o, k, i], each summed in Double.
public func sumAxis(
  outer: Int, count: Int, inner: Int, factor: Float, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  if inner == 1 {
    for o in 0..<outer { y[o] = Float(sum(count: count, x + o * count) * Double(factor)) }
    return
  }
  let factor = SIMD16(repeating: Double(factor))
  for o in 0..<outer {
    let source = x + o * count * inner
    for i in vectors(inner) {
      var total = SIMD16<Double>.zero
      for k in 0..<count { total += doubles(source[i + k * inner]) }
      y[i + o * inner] = floats(total * factor)
    }
  }
}

/// y[o, k, i] = factor x[o, i], for each k below `count`.
public func repeatAxis(
  outer: Int, count: Int, inner: Int, factor: Float, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for o in 0..<outer {
    let target = y + o * count * inner
    if inner == 1 {
      fill(count: count, with: x[o] * factor, into: target)
    } else {
      for k in 0..<count {
        for i in vectors(inner) { target[i + k * inner] = x[i + o * inner] * factor }
      }
    }
  }
}

/// y[o, i] = the largest x[o, k, i], NaN where one of them is; `count` is at least 1.
public func maximumOfAxis(
  outer: Int, count: Int, inner: Int, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for o in 0..<outer {
    let source = x + o * count * inner
    for i in vectors(inner) {
      var top = source[i]
      for k in 1..<max(count, 1) {
        let next = source[i + k * inner]
        top = larger(top, next).replacing(with: next, where: next .!= next)
      }
      y[i + o * inner] = top
    }
  }
}
