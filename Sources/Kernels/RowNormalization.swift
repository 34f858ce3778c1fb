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
