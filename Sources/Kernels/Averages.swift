/// Moves an average towards x: average += share (x - average), in about twice the digits of a float.
///
/// The average is `average[i] + rest[i]`: what a float cannot hold of the sum goes to `rest`, by
/// Knuth's exact sum of two numbers. Without it a mean of 100,000 iterates would stop moving where
/// iterates differ by less than half a percent. With `share` 1 it becomes x itself.
public func moveAverage(
  count: Int, towards x: UnsafePointer<Float>, share: Float,
  average: UnsafeMutablePointer<Float>, rest: UnsafeMutablePointer<Float>
) {
  if share == 1 {
    average.update(from: x, count: count)
    return fill(count: count, with: 0, into: rest)
  }
  for i in vectors(count) { move(&average[i], &rest[i], towards: x[i], share) }
}

/// Moves an average towards x, and then towards y: bit by bit what two moves do, in one pass over memory.
public func moveAverage(
  count: Int, towards x: UnsafePointer<Float>, share: Float, then y: UnsafePointer<Float>,
  share shareOfY: Float, average: UnsafeMutablePointer<Float>, rest: UnsafeMutablePointer<Float>
) {
  if share == 1 || shareOfY == 1 {
    moveAverage(count: count, towards: x, share: share, average: average, rest: rest)
    return moveAverage(count: count, towards: y, share: shareOfY, average: average, rest: rest)
  }
  for i in vectors(count) {
    var (high, low) = (average[i], rest[i])
    move(&high, &low, towards: x[i], share)
    move(&high, &low, towards: y[i], shareOfY)
    (average[i], rest[i]) = (high, low)
  }
}

/// Moves a sum of two parts by a share of the way.
@inline(__always)
private func move(
  _ high: inout SIMD16<Float>, _ low: inout SIMD16<Float>, towards x: SIMD16<Float>, _ share: Float
) {
  let change = low + ((x - high) - low) * share
  let sum = high + change
  let taken = sum - high
  low = (high - (sum - taken)) + (change - taken)
  high = sum
}

/// The sum of a[i] b[i], in Double.
public func innerProduct(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  dotProduct(count, a, b)
}

/// The sum of (a[i] - b[i])^2, the difference taken in Double too.
public func squaredDistance(
  count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>
) -> Double {
  var total = SIMD16<Double>.zero
  for i in vectors(count) {
    let difference = doubles(a[i]) - doubles(b[i])
    total += difference * difference
  }
  return sum(total)
}

/// Each takes the other's numbers.
public func exchange(
  count: Int, _ a: UnsafeMutablePointer<Float>, _ b: UnsafeMutablePointer<Float>
) {
  for i in vectors(count) { (a[i], b[i]) = (b[i], a[i]) }
}
