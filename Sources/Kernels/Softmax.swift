/// y[r, c] = e^(scale x[r, c]) / sum over j of e^(scale x[r, j]); `y` may be `x`.
///
/// x and y are [rows, columns]. The largest exponent of each row is taken off first, so nothing
/// overflows; the sum is in Double. A NaN or +inf in a row makes its values NaN.
///
/// The causal form takes rows as those of square matrices: row r has its first r % columns + 1 columns
/// alone, and zeros behind them, whatever stands there in x.
public func softmax(
  rows: Int, columns: Int, scale: Float, isCausal: Bool = false, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let source = x + row * columns
    let target = y + row * columns
    let visible = isCausal ? row % columns + 1 : columns
    let top = largest(visible, source, scale: scale)
    for i in vectors(visible) { target[i] = exponential(multiplyAdd(source[i], scale, -top)) }
    Kernels.scale(count: visible, target, by: Float(1 / sum(count: visible, target)), into: target)
    if visible < columns { fill(count: columns - visible, with: 0, into: target + visible) }
  }
}

/// inputGradient = scale y (outputGradient - sum over j of outputGradient[r, j] y[r, j]).
///
/// y is what `softmax` gave; all are [rows, columns]. May be in place over either input.
public func softmaxGradient(
  rows: Int, columns: Int, scale: Float, outputGradient: UnsafePointer<Float>,
  y: UnsafePointer<Float>, into inputGradient: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * columns
    let dot = Float(dotProduct(columns, outputGradient + start, y + start))
    for i in vectors(columns) {
      let i = i + start
      inputGradient[i] = (outputGradient[i] - dot) * y[i] * scale
    }
  }
}

/// The largest scale x[i]; -inf where there is none, NaNs passed over.
@inline(__always)
private func largest(_ count: Int, _ x: UnsafePointer<Float>, scale: Float) -> Float {
  var top = SIMD16<Float>(repeating: -.infinity)
  for i in vectors(count & ~15) { top = larger(top, x[i] * scale) }
  var result = -Float.infinity
  for k in 0..<16 where top[k] > result { result = top[k] }
  for i in (count & ~15)..<count {
    let value = x[i] * scale
    if value > result { result = value }
  }
  return result
}
