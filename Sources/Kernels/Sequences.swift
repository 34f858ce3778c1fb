import CProcessor

// What transformers do to rows beside products: rotations by position, and dropout.

// MARK: - Rotary positions

/// Turns the pairs of channels (c, c + head / 2) of each head by an angle that depends on the row's place.
///
///     y[c] = x[c] cos - x[c + head / 2] sin        y[c + head / 2] = x[c + head / 2] cos + x[c] sin
///
/// x and y are `[rows, heads, head]`; row r is at place `places[r % count]`, or at `r % count` where
/// there are no places; cosines and sines are `[table, head / 2]`. With `inverse` the angles are
/// negative: the adjoint. `y` may be `x`. A place outside the table gives NaN.
public func rotate(
  rows: Int, heads: Int, head: Int, count: Int, places: UnsafePointer<Int32>?, table: Int,
  cosines: UnsafePointer<Float>, sines: UnsafePointer<Float>, inverse: Bool,
  _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  let half = head / 2
  let sign: Float = inverse ? -1 : 1
  for row in 0..<rows {
    let place = places.map { Int($0[row % count]) } ?? row % count
    guard (0..<table).contains(place) else {
      fill(count: heads * head, with: .nan, into: y + row * heads * head)
      continue
    }
    let (cosine, sine) = (cosines + place * half, sines + place * half)
    for h in 0..<heads {
      let start = (row * heads + h) * head
      let (x, y) = (x + start, y + start)
      for c in vectors(half) {
        let (a, b) = (x[c], x[c + half])
        let (u, v) = (cosine[c], sine[c] * sign)
        y[c] = a * u - b * v
        y[c + half] = b * u + a * v
      }
    }
  }
}

// MARK: - Dropout

/// y[i] = x[i] / (1 - rate) where element i of its item is kept, else 0; `y` may be `x`.
///
/// Whether it is kept is a function of the item's key, `site` and the element's place alone: a hash of
/// the three, of which each of two neighbouring blocks of 16 elements takes 16 bits, compared with the
/// rate. x is `[items, elements]`, with a key an item.
public func dropOut(
  items: Int, elements: Int, rate: Float, site: UInt32, keys: UnsafePointer<Int32>,
  _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  let threshold = UInt32((Double(rate) * 65_536).rounded())
  let factor = 1 / (1 - rate)
  var lane = SIMD16<UInt32>.zero
  for k in 0..<16 { lane[k] = UInt32(k) }
  for item in 0..<items {
    let seed = tessera_scrambled(
      SIMD16(repeating: UInt32(bitPattern: keys[item]) &+ site &* 0x9e37_79b9))
    let (x, y) = (x + item * elements, y + item * elements)
    for start in stride(from: 0, to: elements, by: 32) {
      let place = lane | SIMD16(repeating: UInt32(truncatingIfNeeded: start))
      let hash = tessera_scrambled(place ^ seed)
      let first = Lanes(start: start, count: min(16, elements - start))
      y[first] = tessera_kept(x[first], factor, hash & SIMD16(repeating: 0xffff), threshold)
      guard start + 16 < elements else { break }
      let second = Lanes(start: start + 16, count: min(16, elements - start - 16))
      y[second] = tessera_kept(
        x[second], factor, hash &>> SIMD16(repeating: 16), threshold)
    }
  }
}
