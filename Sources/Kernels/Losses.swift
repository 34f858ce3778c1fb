#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

// MARK: - Pointwise

/// The mean of (a[i] - b[i])^2, in Double; 0 where there is nothing to compare.
public func meanSquaredError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  var total = SIMD16<Double>.zero
  for i in vectors(count) {
    let d = doubles(a[i]) - doubles(b[i])
    total += d * d
  }
  return sum(total) / Double(count)
}

/// y[i] = factor 2 / count (a[i] - b[i]): the gradient of factor times the mean squared error with
/// respect to a; `y` may be `a` or `b`.
public func meanSquaredErrorGradient(
  count: Int, factor: Float, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  let slope = Float(2 * Double(factor) / Double(max(count, 1)))
  for i in vectors(count) { y[i] = (a[i] - b[i]) * slope }
}

/// The mean of |a[i] - b[i]|, in Double; 0 where there is nothing to compare.
public func meanAbsoluteError(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  guard count > 0 else { return 0 }
  var total = SIMD16<Double>.zero
  for i in vectors(count) { total += doubles(magnitude(a[i] - b[i])) }
  return sum(total) / Double(count)
}

/// y[i] = factor sign(a[i] - b[i]) / count, 0 at ties: the gradient of factor times the mean
/// absolute error with respect to a; `y` may be `a` or `b`.
///
/// A NaN difference gives NaN.
public func meanAbsoluteErrorGradient(
  count: Int, factor: Float, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  let slope = Float(Double(factor) / Double(max(count, 1)))
  for i in vectors(count) {
    // Times 2^157 the smallest difference is above 1, so the bounds leave the sign, zero and NaN.
    let d = (a[i] - b[i]) * 0x1p127 * 0x1p30
    y[i] = smaller(larger(d, SIMD16(repeating: -1)), SIMD16(repeating: 1)) * slope
  }
}

// MARK: - Cross-entropy

/// losses[r] = s[r] - x[r, targets[r]] with s[r] = log(sum over k of e^x[r, k]), for x [rows, classes].
///
/// The largest logit of a row is taken off first, so nothing overflows; sums are in Double. A row with a
/// negative target has the loss 0, one with a target of `classes` or more NaN.
public func crossEntropy(
  rows: Int, classes: Int, _ x: UnsafePointer<Float>, targets: UnsafePointer<Int32>,
  into losses: UnsafeMutablePointer<Float>, logSums: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let logits = x + row * classes
    var top = logits[0]
    for k in 1..<classes where logits[k] > top { top = logits[k] }
    var total = SIMD16<Double>.zero
    for i in vectors(classes & ~15) { total += doubles(exponential(logits[i] - top)) }
    var rest = 0.0
    for k in (classes & ~15)..<classes { rest += exp(Double(logits[k] - top)) }
    let logSum = log(sum(total) + rest) + Double(top)
    let target = Int(targets[row])
    logSums[row] = Float(logSum)
    losses[row] =
      target < 0 ? 0 : target < classes ? Float(logSum - Double(logits[target])) : .nan
  }
}

/// y[r, k] = outputGradient[r] (e^(x[r, k] - logSums[r]) - [k = targets[r]]), 0 in rows with a negative
/// target; `y` may be `x`.
public func crossEntropyGradient(
  rows: Int, classes: Int, outputGradient: UnsafePointer<Float>, _ x: UnsafePointer<Float>,
  targets: UnsafePointer<Int32>, logSums: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let (logits, result) = (x + row * classes, y + row * classes)
    let (g, target) = (outputGradient[row], Int(targets[row]))
    if target < 0 {
      fill(count: classes, with: 0, into: result)
      continue
    }
    for i in vectors(classes) { result[i] = exponential(logits[i] - logSums[row]) * g }
    if target < classes { result[target] -= g }
  }
}
