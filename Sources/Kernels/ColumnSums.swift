/// sums[c] = the sum over r of x[r, c]: the bias gradient of a layer, for x [rows, columns].
///
/// Summed in Double. Rows are `leading` floats apart, or as many as there are columns. With
/// `accumulate` the sums are added to what is there.
public func columnSums(
  rows: Int, columns: Int, leading: Int? = nil, of x: UnsafePointer<Float>,
  into sums: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  let leading = leading ?? columns
  for c in vectors(columns) {
    var even = SIMD16<Double>.zero
    var odd = SIMD16<Double>.zero
    var at = c
    for _ in 0..<(rows >> 1) {
      even += doubles(x[at])
      odd += doubles(x[at + leading])
      at = at + 2 &* leading
    }
    if rows & 1 == 1 { even += doubles(x[at]) }
    let total = floats(even + odd)
    sums[c] = accumulate ? sums[c] + total : total
  }
}
