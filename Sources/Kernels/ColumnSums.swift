/// sums[c] = the sum over r of x[r, c]: the bias gradient of a layer, for x [rows, columns].
///
/// Summed in Double. Rows are `leading` floats apart, or as many as there are columns. With
/// `accumulate` the sums are added to what is there.
public func columnSums(
  rows: Int, columns: Int, leading: Int? = nil, of x: UnsafePointer<Float>,
  into sums: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  let leading = leading ?? columns

  /// Writes the total of one vector of columns.
  func finish(_ total: SIMD16<Double>, _ c: Lanes) {
    sums[c] = accumulate ? sums[c] + floats(total) : floats(total)
  }

  // Sixty-four columns at a time, so that each row is read in runs of four cache lines.
  let wide = columns / 64 * 64
  for column in stride(from: 0, to: wide, by: 64) {
    var (a, b) = (SIMD16<Double>.zero, SIMD16<Double>.zero)
    var (c, d) = (a, b)
    var at = x + column
    for _ in 0..<rows {
      a += doubles(at.vector(0))
      b += doubles(at.vector(16))
      c += doubles(at.vector(32))
      d += doubles(at.vector(48))
      at += leading
    }
    finish(a, Lanes(start: column, count: 16))
    finish(b, Lanes(start: column + 16, count: 16))
    finish(c, Lanes(start: column + 32, count: 16))
    finish(d, Lanes(start: column + 48, count: 16))
  }
  for c in vectors(columns - wide) {
    var total = SIMD16<Double>.zero
    var at = c + wide
    for _ in 0..<rows {
      total += doubles(x[at])
      at = at + leading
    }
    finish(total, c + wide)
  }
}
