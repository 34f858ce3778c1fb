/// sums[c] = the sum over r of x[r, c]: the bias gradient of a layer, for x [rows, columns].
///
/// Summed in Double. Rows are `leading` floats apart, or as many as there are columns. With
/// `accumulate` the sums are added to what is there.
public func columnSums(
  rows: Int, columns: Int, leading: Int? = nil, of x: UnsafePointer<Float>,
  into sums: UnsafeMutablePointer<Float>, accumulate: Bool
) {
  let leading = leading ?? columns
  var c = 0
  while c &+ 8 <= columns {
    var even = SIMD8<Double>.zero
    var odd = SIMD8<Double>.zero
    var at = c
    for _ in 0..<(rows >> 1) {
      even += SIMD8<Double>(x.vector(at))
      odd += SIMD8<Double>(x.vector(at &+ leading))
      at &+= 2 &* leading
    }
    if rows & 1 == 1 { even += SIMD8<Double>(x.vector(at)) }
    let total = SIMD8<Float>(even + odd)
    sums.store(accumulate ? sums.vector(c) + total : total, at: c)
    c &+= 8
  }
  while c < columns {
    var total = 0.0
    for row in 0..<rows { total += Double(x[row &* leading &+ c]) }
    sums[c] = (accumulate ? sums[c] : 0) + Float(total)
    c &+= 1
  }
}
