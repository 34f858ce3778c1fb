#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

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
