/// y[r, c] = x[r, c] reciprocals[r] scale[c], with reciprocals[r] = 1 / sqrt(mean of x[r]^2 + epsilon).
///
/// x and y are [rows, columns]; the mean is taken in Double; `y` may be `x`.
public func normalizeByRootMeanSquare(
  rows: Int, columns: Int, epsilon: Float, _ x: UnsafePointer<Float>,
  scale: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  reciprocals: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * columns
    let square = sumOfSquares(count: columns, x + start) / Double(columns)
    let reciprocal = Float(1 / (square + Double(epsilon)).squareRoot())
    reciprocals[row] = reciprocal
    for i in vectors(columns) { y[i + start] = x[i + start] * reciprocal * scale[i] }
  }
}

/// The gradients of the normalization with respect to x and scale.
///
/// With h = outputGradient scale and r = reciprocals[row]:
///
///     inputGradient = r (h - x r^2 mean over the row of h x)
///     scaleGradient = sum over rows of outputGradient x r, added to what is there with `accumulate`
///
/// The sums are in Double. `inputGradient` lies apart from both inputs.
public func normalizeByRootMeanSquareGradient(
  rows: Int, columns: Int, outputGradient: UnsafePointer<Float>, x: UnsafePointer<Float>,
  scale: UnsafePointer<Float>, reciprocals: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>,
  scaleGradient: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  for row in 0..<rows {
    let start = row * columns
    let r = reciprocals[row]
    var product = SIMD16<Double>.zero
    for i in vectors(columns) {
      product += doubles(outputGradient[i + start] * scale[i]) * doubles(x[i + start])
    }
    let share = Float(sum(product) / Double(columns) * Double(r) * Double(r))
    for i in vectors(columns) {
      let h = outputGradient[i + start] * scale[i]
      inputGradient[i + start] = (h - x[i + start] * share) * r
    }
  }
  for i in vectors(columns) {
    var total = SIMD16<Double>.zero
    for row in 0..<rows {
      let start = row * columns
      total += doubles(outputGradient[i + start]) * doubles(x[i + start] * reciprocals[row])
    }
    scaleGradient[i] = floats(total) + (accumulate ? scaleGradient[i] : .zero)
  }
}
