// Eight floats at a time. Everything elementwise in this module runs on `SIMD8<Float>`, one AVX
// register; the last few elements go through the same arithmetic in a padded vector, so a value
// never depends on its position in the buffer.

import CProcessor

/// a b + c: rounded once where the processor does that in one instruction, else twice, because the
/// call that rounds once takes each lane by itself.
@inline(__always)
func multiplyAdd<V: SIMD>(_ a: V, _ b: V, _ c: V) -> V where V.Scalar: FloatingPoint {
  TESSERA_HAS_FMA == 1 ? c.addingProduct(a, b) : a * b + c
}

extension UnsafePointer<Float> {
  /// The eight floats from index `i` on; no alignment needed.
  @inline(__always)
  func vector(_ i: Int) -> SIMD8<Float> {
    UnsafeRawPointer(self + i).loadUnaligned(as: SIMD8<Float>.self)
  }

  /// The `count` < 8 floats from index `i` on, with zeros behind them.
  @inline(__always)
  func vector(_ i: Int, count: Int) -> SIMD8<Float> {
    var v = SIMD8<Float>.zero
    for k in 0..<count { v[k] = self[i &+ k] }
    return v
  }
}

extension UnsafeMutablePointer<Float> {
  /// The eight floats from index `i` on; no alignment needed.
  @inline(__always)
  func vector(_ i: Int) -> SIMD8<Float> { UnsafePointer(self).vector(i) }

  /// Writes eight floats from index `i` on; no alignment needed.
  @inline(__always)
  func store(_ v: SIMD8<Float>, at i: Int) {
    UnsafeMutableRawPointer(self + i).storeBytes(of: v, as: SIMD8<Float>.self)
  }

  /// Writes the first `count` < 8 floats of `v` from index `i` on.
  @inline(__always)
  func store(_ v: SIMD8<Float>, at i: Int, count: Int) {
    for k in 0..<count { self[i &+ k] = v[k] }
  }
}

/// `lanes` floats from index `i` on, and zeros.
@inline(__always)
func load(_ x: UnsafePointer<Float>, _ i: Int, _ lanes: Int) -> SIMD8<Float> {
  lanes == 8 ? x.vector(i) : x.vector(i, count: lanes)
}

/// y[i] = f(x[i]) for all i; `y` may be `x`.
@inline(__always)
func map(
  _ count: Int, _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  _ f: (SIMD8<Float>) -> SIMD8<Float>
) {
  var i = 0
  while i &+ 8 <= count {
    y.store(f(x.vector(i)), at: i)
    i &+= 8
  }
  if i < count {
    let rest = count &- i
    y.store(f(x.vector(i, count: rest)), at: i, count: rest)
  }
}

/// y[i] = f(a[i], b[i]) for all i; `y` may be `a` or `b`.
@inline(__always)
func map(
  _ count: Int, _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>,
  _ f: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
) {
  var i = 0
  while i &+ 8 <= count {
    y.store(f(a.vector(i), b.vector(i)), at: i)
    i &+= 8
  }
  if i < count {
    let rest = count &- i
    y.store(f(a.vector(i, count: rest), b.vector(i, count: rest)), at: i, count: rest)
  }
}

/// The larger of each pair, where a NaN in the first stays.
///
/// Written lane by lane because this form compiles to one instruction, and the standard library's
/// comparisons of float vectors do not.
@inline(__always)
func larger(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
  SIMD8(
    a[0] < b[0] ? b[0] : a[0], a[1] < b[1] ? b[1] : a[1],
    a[2] < b[2] ? b[2] : a[2], a[3] < b[3] ? b[3] : a[3],
    a[4] < b[4] ? b[4] : a[4], a[5] < b[5] ? b[5] : a[5],
    a[6] < b[6] ? b[6] : a[6], a[7] < b[7] ? b[7] : a[7])
}

/// The smaller of each pair, where a NaN in the first stays.
@inline(__always)
func smaller(_ a: SIMD8<Float>, _ b: SIMD8<Float>) -> SIMD8<Float> {
  SIMD8(
    a[0] > b[0] ? b[0] : a[0], a[1] > b[1] ? b[1] : a[1],
    a[2] > b[2] ? b[2] : a[2], a[3] > b[3] ? b[3] : a[3],
    a[4] > b[4] ? b[4] : a[4], a[5] > b[5] ? b[5] : a[5],
    a[6] > b[6] ? b[6] : a[6], a[7] > b[7] ? b[7] : a[7])
}

/// Each lane of `chosen` where a < b, else of `other`; where one of a and b is NaN, of `other`.
@inline(__always)
func selecting(
  where a: SIMD8<Float>, isBelow b: SIMD8<Float>, _ chosen: SIMD8<Float>,
  else other: SIMD8<Float>
) -> SIMD8<Float> {
  SIMD8(
    a[0] < b[0] ? chosen[0] : other[0], a[1] < b[1] ? chosen[1] : other[1],
    a[2] < b[2] ? chosen[2] : other[2], a[3] < b[3] ? chosen[3] : other[3],
    a[4] < b[4] ? chosen[4] : other[4], a[5] < b[5] ? chosen[5] : other[5],
    a[6] < b[6] ? chosen[6] : other[6], a[7] < b[7] ? chosen[7] : other[7])
}

/// The bits of each lane.
@inline(__always)
func bits(_ v: SIMD8<Float>) -> SIMD8<Int32> { unsafeBitCast(v, to: SIMD8<Int32>.self) }

/// The floats with these bits.
@inline(__always)
func floats(_ v: SIMD8<Int32>) -> SIMD8<Float> { unsafeBitCast(v, to: SIMD8<Float>.self) }

/// |v|, lane by lane.
@inline(__always)
func magnitude(_ v: SIMD8<Float>) -> SIMD8<Float> { floats(bits(v) & 0x7fff_ffff) }
