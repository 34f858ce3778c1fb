// Sixteen floats at a time. Everything elementwise in this module runs on `SIMD16<Float>`, one
// AVX-512 register or as many smaller ones as it takes; the last few elements go through the same
// arithmetic in a padded vector, so a value never depends on its position in the buffer.
//
// What is a line of arithmetic is `@_transparent`: `@inline(__always)` is a wish that the optimizer
// grants late, and in large functions not at all.

import CProcessor

/// a b + c: rounded once where the processor does that in one instruction, else twice.
@_transparent
func multiplyAdd(
  _ a: SIMD16<Float>, _ b: SIMD16<Float>, _ c: SIMD16<Float>
) -> SIMD16<Float> {
  tessera_multiply_add(a, b, c)
}

/// a b + c with the same c in each lane.
@_transparent
func multiplyAdd(_ a: SIMD16<Float>, _ b: SIMD16<Float>, _ c: Float) -> SIMD16<Float> {
  multiplyAdd(a, b, SIMD16(repeating: c))
}

/// a b + c with the same b in each lane.
@_transparent
func multiplyAdd(_ a: SIMD16<Float>, _ b: Float, _ c: SIMD16<Float>) -> SIMD16<Float> {
  multiplyAdd(a, SIMD16(repeating: b), c)
}

/// a b + c with the same b and c in each lane.
@_transparent
func multiplyAdd(_ a: SIMD16<Float>, _ b: Float, _ c: Float) -> SIMD16<Float> {
  multiplyAdd(a, SIMD16(repeating: b), SIMD16(repeating: c))
}

/// Where a vector lies in a buffer: sixteen floats, or fewer at the end.
struct Lanes {
  /// The index of the first.
  var start: Int
  /// How many are there, at most 16.
  var count: Int

  /// As many of them, `offset` floats on.
  @inline(__always)
  static func + (lanes: Lanes, offset: Int) -> Lanes {
    Lanes(start: lanes.start &+ offset, count: lanes.count)
  }
}

/// The vectors of `count` floats one after the other, all of sixteen but for the last.
///
/// A loop over them has its body in place, where a closure may be left as a call.
@inline(__always)
func vectors(_ count: Int) -> Vectors { Vectors(start: 0, end: count) }

/// What `vectors` gives.
struct Vectors: Sequence, IteratorProtocol {
  fileprivate var start: Int
  fileprivate var end: Int

  @inline(__always)
  mutating func next() -> Lanes? {
    guard start < end else { return nil }
    let lanes = Lanes(start: start, count: Swift.min(16, end &- start))
    start &+= 16
    return lanes
  }
}

extension UnsafePointer<Float> {
  /// The sixteen floats from index `i` on; no alignment needed.
  @inline(__always)
  func vector(_ i: Int) -> SIMD16<Float> {
    UnsafeRawPointer(self + i).loadUnaligned(as: SIMD16<Float>.self)
  }

  /// The floats at these places, with zeros behind them; no alignment needed.
  @inline(__always)
  subscript(_ i: Lanes) -> SIMD16<Float> {
    i.count == 16 ? vector(i.start) : tessera_first(self + i.start, i.count)
  }
}

extension UnsafeMutablePointer<Float> {
  /// The sixteen floats from index `i` on; no alignment needed.
  @inline(__always)
  func vector(_ i: Int) -> SIMD16<Float> { UnsafePointer(self).vector(i) }

  /// Writes sixteen floats from index `i` on; no alignment needed.
  @inline(__always)
  func store(_ v: SIMD16<Float>, at i: Int) {
    UnsafeMutableRawPointer(self + i).storeBytes(of: v, as: SIMD16<Float>.self)
  }

  /// The floats at these places, with zeros behind them, which are not written.
  @inline(__always)
  subscript(_ i: Lanes) -> SIMD16<Float> {
    get { UnsafePointer(self)[i] }
    nonmutating set {
      if i.count == 16 {
        store(newValue, at: i.start)
      } else {
        tessera_store_first(newValue, self + i.start, i.count)
      }
    }
  }
}

/// The larger of each pair, where a NaN in the first stays.
@_transparent
func larger(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
  a.replacing(with: b, where: a .< b)
}

/// The smaller of each pair, where a NaN in the first stays.
@_transparent
func smaller(_ a: SIMD16<Float>, _ b: SIMD16<Float>) -> SIMD16<Float> {
  a.replacing(with: b, where: a .> b)
}

/// Each lane of `chosen` where a < b, else of `other`; where one of a and b is NaN, of `other`.
@_transparent
func selecting<V: SIMD>(
  where a: SIMD16<Float>, isBelow b: SIMD16<Float>, _ chosen: V, else other: V
) -> V where V.MaskStorage == SIMD16<Int32> {
  other.replacing(with: chosen, where: a .< b)
}

/// The bits of each lane.
@_transparent
func bits(_ v: SIMD16<Float>) -> SIMD16<Int32> { unsafeBitCast(v, to: SIMD16<Int32>.self) }

/// The floats with these bits.
@_transparent
func floats(_ v: SIMD16<Int32>) -> SIMD16<Float> { unsafeBitCast(v, to: SIMD16<Float>.self) }

/// |v|, lane by lane.
@_transparent
func magnitude(_ v: SIMD16<Float>) -> SIMD16<Float> { floats(bits(v) & 0x7fff_ffff) }

/// The square root of each lane.
@_transparent
func squareRoot(_ v: SIMD16<Float>) -> SIMD16<Float> { tessera_square_root(v) }

/// The same numbers in Double.
@_transparent
func doubles(_ v: SIMD16<Float>) -> SIMD16<Double> { tessera_doubles_of(v) }

/// The nearest floats.
@_transparent
func floats(_ v: SIMD16<Double>) -> SIMD16<Float> { tessera_floats_of(v) }

/// The sum of all lanes: halves upon halves, where the standard library's takes lane after lane.
@_transparent
func sum(_ v: SIMD16<Double>) -> Double {
  let eight = v.lowHalf + v.highHalf
  let four = eight.lowHalf + eight.highHalf
  let two = four.lowHalf + four.highHalf
  return two.x + two.y
}

/// The smallest lane, of none that is NaN.
@_transparent
func smallestLane(_ v: SIMD16<Float>) -> Float {
  let eight = v.lowHalf.replacing(with: v.highHalf, where: v.highHalf .< v.lowHalf)
  let four = eight.lowHalf.replacing(with: eight.highHalf, where: eight.highHalf .< eight.lowHalf)
  return min(min(four.x, four.y), min(four.z, four.w))
}

// MARK: - Transposing

/// Writes the transpose of up to 16 rows and columns: as many rows of 16 as there are columns, with
/// zeros behind the values.
///
/// Each of four rounds interleaves the rows that are eight apart. That moves the bits of a value's
/// place (row, column), four each, round by one; after four rounds row and column have changed
/// places. Loops have constant bounds, so that all rows stay in registers.
@inline(__always)
func transpose(
  rows: Int, columns: Int, _ x: UnsafePointer<Float>, leading: Int,
  into y: UnsafeMutablePointer<Float>, leading target: Int
) {
  var block = InlineArray<16, Vector>(repeating: .zero)
  if rows == 16 && columns == 16 {
    for r in 0..<16 { block[unchecked: r] = x.vector(r &* leading) }
  } else {
    for r in 0..<16 where r < rows { block[unchecked: r] = load(x + r &* leading, columns) }
  }
  for _ in 0..<4 {
    var next = InlineArray<16, Vector>(repeating: .zero)
    for r in 0..<8 {
      let (a, b) = (block[unchecked: r], block[unchecked: r &+ 8])
      next[unchecked: 2 &* r] = interleave(a.lowHalf, b.lowHalf)
      next[unchecked: 2 &* r &+ 1] = interleave(a.highHalf, b.highHalf)
    }
    block = next
  }
  if columns == 16 {
    for r in 0..<16 { y.store(block[unchecked: r], at: r &* target) }
  } else {
    for r in 0..<16 where r < columns { y.store(block[unchecked: r], at: r &* target) }
  }
}

/// a[0], b[0], a[1], b[1], ...
@_transparent
private func interleave(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> Vector {
  var v = Vector.zero
  v.evenHalf = a
  v.oddHalf = b
  return v
}
