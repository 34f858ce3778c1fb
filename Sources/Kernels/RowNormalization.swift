// MARK: - To unit length

// Rows as directions: each divided by its Euclidean length.

/// A row shorter than this has no direction.
private let shortest = 1e-6

/// y[r] = x[r] / |x[r]|, rows of `columns` floats; a row shorter than 1e-6 gives zeros.
///
/// NaN stays NaN, and a row with an infinity gives NaN; `y` may be `x`. A row's result does not
/// depend on the rows beside it.
public func normalizeRows(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let (x, y) = (x + row * columns, y + row * columns)
    let length = sumOfSquares(count: columns, x).squareRoot()
    let factor = length < shortest ? 0 : Float(1 / length)
    for i in vectors(columns) { y[i] = x[i] * factor }
  }
}

/// The gradient of `normalizeRows`: what of g is across the row, as what is along it changes nothing.
///
///     inputGradient[r] = (g - u (u . g)) / |x|,  u = x[r] / |x[r]|
///
/// A row shorter than 1e-6 gets zeros. May be in place over `outputGradient`.
public func normalizeRowsGradient(
  rows: Int, columns: Int, outputGradient: UnsafePointer<Float>, x: UnsafePointer<Float>,
  into inputGradient: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows {
    let start = row * columns
    let (g, x, y) = (outputGradient + start, x + start, inputGradient + start)
    let square = sumOfSquares(count: columns, x)
    let length = square.squareRoot()
    if length < shortest {
      fill(count: columns, with: 0, into: y)
      continue
    }
    let along = Float(dotProduct(columns, x, g) / square)
    let factor = Float(1 / length)
    for i in vectors(columns) { y[i] = (g[i] - x[i] * along) * factor }
  }
}

// MARK: - By the root mean square

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
