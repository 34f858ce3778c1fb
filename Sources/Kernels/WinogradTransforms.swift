// Winograd's F(4x4, 3x3): four outputs in a row of a 3-tap convolution from six products in place
// of twelve, by evaluating polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray, "Fast
// algorithms for convolutional neural networks", 2015):
//
//     y = A^T [(G g) * (B^T d)]        d: 6 inputs, g: 3 taps, y: 4 outputs, *: element by element
//
// In two dimensions the matrices act on columns, then on rows. First come the five products with
// the matrices and their transposes; then their two-dimensional forms, which read a tile and write a
// tile of sixteen channels. These make one or two rows between at a time, which stay in registers: a
// pair of points, 1 and -1 or 2 and -2, shares its sums. A register of AVX-512 takes the sixteen
// channels at once; smaller ones take eight at a time, of which AVX2 holds sixteen.

import CProcessor

/// Eight or sixteen channels.
protocol Channels: SIMD<Float> {
  /// What lies from `x` on; no alignment needed.
  init(at x: UnsafePointer<Float>)
  /// Writes them from `y` on; no alignment needed.
  func store(to y: UnsafeMutablePointer<Float>)
  /// a b + c, as `multiplyAdd` of sixteen floats.
  static func product(_ a: Self, _ b: Self, plus c: Self) -> Self
}

extension SIMD16<Float>: Channels {
  @inline(__always)
  init(at x: UnsafePointer<Float>) { self = x.vector(0) }

  @inline(__always)
  func store(to y: UnsafeMutablePointer<Float>) { y.store(self, at: 0) }

  @_transparent
  static func product(_ a: Self, _ b: Self, plus c: Self) -> Self { tessera_multiply_add(a, b, c) }
}

extension SIMD8<Float>: Channels {
  @inline(__always)
  init(at x: UnsafePointer<Float>) { self = UnsafeRawPointer(x).loadUnaligned(as: Self.self) }

  @inline(__always)
  func store(to y: UnsafeMutablePointer<Float>) {
    UnsafeMutableRawPointer(y).storeBytes(of: self, as: Self.self)
  }

  @_transparent
  static func product(_ a: Self, _ b: Self, plus c: Self) -> Self {
    tessera_half_multiply_add(a, b, c)
  }
}

/// a b + c with the same b in each lane.
@_transparent
private func multiplyAdd<V: Channels>(_ a: V, _ b: Float, _ c: V) -> V {
  V.product(a, V(repeating: b), plus: c)
}

/// Six values of some channels.
typealias Six<V> = (V, V, V, V, V, V)
/// Four values of some channels.
typealias Four<V> = (V, V, V, V)
/// Three values of some channels.
typealias Three<V> = (V, V, V)

/// A place in memory from which a tile of sixteen channels is read, or to which it is written: those of
/// row i and column j are at `i row + j column`.
struct TilePlace<Pointer> {
  let start: Pointer
  let row, column: Int

  @inline(__always)
  init(_ start: Pointer, row: Int, column: Int) {
    (self.start, self.row, self.column) = (start, row, column)
  }
}

extension TilePlace<UnsafePointer<Float>> {
  @inline(__always)
  func callAsFunction<V: Channels>(_ i: Int, _ j: Int) -> V {
    V(at: start + (i &* row &+ j &* column))
  }

  /// The place of the channels from `channel` on.
  @inline(__always)
  func from(_ channel: Int) -> Self { Self(start + channel, row: row, column: column) }
}

extension TilePlace<UnsafeMutablePointer<Float>> {
  /// Writes a row of a tile.
  @inline(__always)
  func store<V: Channels>(_ m: Six<V>, row i: Int) {
    let target = start + i &* row
    m.0.store(to: target)
    m.1.store(to: target + column)
    m.2.store(to: target + 2 &* column)
    m.3.store(to: target + 3 &* column)
    m.4.store(to: target + 4 &* column)
    m.5.store(to: target + 5 &* column)
  }

  /// Writes a row of a tile, with the same numbers added to each vector.
  @inline(__always)
  func store<V: Channels>(_ y: Four<V>, plus shift: V, row i: Int) {
    let target = start + i &* row
    (y.0 + shift).store(to: target)
    (y.1 + shift).store(to: target + column)
    (y.2 + shift).store(to: target + 2 &* column)
    (y.3 + shift).store(to: target + 3 &* column)
  }

  /// The place of the channels from `channel` on.
  @inline(__always)
  func from(_ channel: Int) -> Self { Self(start + channel, row: row, column: column) }
}

/// The values of f at 0, 1, 2, 3, 4 and 5.
@inline(__always)
func six<Value>(_ f: (Int) -> Value) -> Six<Value> {
  (f(0), f(1), f(2), f(3), f(4), f(5))
}

/// The values of f at 0, 1, 2 and 3.
@inline(__always)
func four<Value>(_ f: (Int) -> Value) -> Four<Value> { (f(0), f(1), f(2), f(3)) }

/// The values of f at 0, 1 and 2.
@inline(__always)
func three<Value>(_ f: (Int) -> Value) -> Three<Value> { (f(0), f(1), f(2)) }

// MARK: - Five matrices

/// B^T d: six inputs to six frequencies.
@inline(__always)
func inputTransform<V: Channels>(_ d: Six<V>) -> Six<V> {
  let one = inputsAtOne(d.1, d.2, d.3, d.4)
  let two = inputsAtTwo(d.1, d.2, d.3, d.4)
  return (
    inputsAtEnd(d.0, d.2, d.4), one.plus, one.minus, two.plus, two.minus,
    inputsAtEnd(d.1, d.3, d.5)
  )
}

/// The frequency at 0 from inputs 0, 2, 4, or that at infinity from inputs 1, 3, 5.
@inline(__always)
func inputsAtEnd<V: Channels>(_ a: V, _ b: V, _ c: V) -> V {
  multiplyAdd(a, 4, multiplyAdd(b, -5, c))
}

/// The frequencies at 1 and -1 from inputs 1 to 4.
@inline(__always)
func inputsAtOne<V: Channels>(_ a: V, _ b: V, _ c: V, _ d: V) -> (plus: V, minus: V) {
  let (even, odd) = (multiplyAdd(b, -4, d), multiplyAdd(a, -4, c))
  return (even + odd, even - odd)
}

/// The frequencies at 2 and -2 from inputs 1 to 4.
@inline(__always)
func inputsAtTwo<V: Channels>(_ a: V, _ b: V, _ c: V, _ d: V) -> (plus: V, minus: V) {
  let (even, odd) = (d - b, c - a)
  return (multiplyAdd(odd, 2, even), multiplyAdd(odd, -2, even))
}

/// A^T m: six frequencies to four outputs.
@inline(__always)
func outputTransform<V: Channels>(_ m: Six<V>) -> Four<V> {
  let even = evenOutputs(m.0, m.1, m.2, m.3, m.4)
  let odd = oddOutputs(m.1, m.2, m.3, m.4, m.5)
  return (even.0, odd.0, even.1, odd.1)
}

/// Outputs 0 and 2 from frequencies 0 to 4.
@inline(__always)
func evenOutputs<V: Channels>(_ m0: V, _ m1: V, _ m2: V, _ m3: V, _ m4: V) -> (V, V) {
  let (a, e) = (m1 + m2, m3 + m4)
  return (m0 + a + e, multiplyAdd(e, 4, a))
}

/// Outputs 1 and 3 from frequencies 1 to 5.
@inline(__always)
func oddOutputs<V: Channels>(_ m1: V, _ m2: V, _ m3: V, _ m4: V, _ m5: V) -> (V, V) {
  let (b, f) = (m1 - m2, m3 - m4)
  return (multiplyAdd(f, 2, b), multiplyAdd(f, 8, b) + m5)
}

/// A y: the transpose of the output transform, four output gradients to six frequencies.
@inline(__always)
func outputAdjoint<V: Channels>(_ y: Four<V>) -> Six<V> {
  let (one, two) = (gradientsAtOne(y.0, y.1, y.2, y.3), gradientsAtTwo(y.0, y.1, y.2, y.3))
  return (y.0, one.plus, one.minus, two.plus, two.minus, y.3)
}

/// The frequencies at 1 and -1 from four output gradients.
@inline(__always)
func gradientsAtOne<V: Channels>(_ y0: V, _ y1: V, _ y2: V, _ y3: V) -> (plus: V, minus: V) {
  let (a, b) = (y0 + y2, y1 + y3)
  return (a + b, a - b)
}

/// The frequencies at 2 and -2 from four output gradients.
@inline(__always)
func gradientsAtTwo<V: Channels>(_ y0: V, _ y1: V, _ y2: V, _ y3: V) -> (plus: V, minus: V) {
  let (e, f) = (multiplyAdd(y2, 4, y0), multiplyAdd(y3, 4, y1) * 2)
  return (e + f, e - f)
}

/// G g: three taps to six frequencies.
@inline(__always)
func filterTransform<V: Channels>(_ g: Three<V>) -> Six<V> {
  let (one, two) = (tapsAtOne(g.0, g.1, g.2), tapsAtTwo(g.0, g.1, g.2))
  return (g.0 * 0.25, one.plus, one.minus, two.plus, two.minus, g.2)
}

/// The frequencies at 1 and -1 from three taps.
@inline(__always)
func tapsAtOne<V: Channels>(_ g0: V, _ g1: V, _ g2: V) -> (plus: V, minus: V) {
  let (a, b) = ((g0 + g2) * (-1 / 6), g1 * (1 / 6))
  return (a - b, a + b)
}

/// The frequencies at 2 and -2 from three taps.
@inline(__always)
func tapsAtTwo<V: Channels>(_ g0: V, _ g1: V, _ g2: V) -> (plus: V, minus: V) {
  let (e, f) = (multiplyAdd(g0, 1 / 24, g2 * (1 / 6)), g1 * (1 / 12))
  return (e + f, e - f)
}

/// G^T m: the transpose of the filter transform, six frequencies to three tap gradients.
@inline(__always)
func filterAdjoint<V: Channels>(_ m: Six<V>) -> Three<V> {
  let (a, b) = (m.1 + m.2, m.2 - m.1)
  let (e, f) = (m.3 + m.4, m.3 - m.4)
  return (
    multiplyAdd(m.0, 0.25, multiplyAdd(a, -1 / 6, e * (1 / 24))),
    multiplyAdd(b, 1 / 6, f * (1 / 12)), multiplyAdd(e - a, 1 / 6, m.5)
  )
}

// MARK: - Tiles

/// Whether a register holds fewer than sixteen channels.
private let isNarrow = TESSERA_VECTOR_FLOATS < 16

/// B^T d B: a 6x6 tile of the image to its 36 frequencies.
@inline(__always)
func transformInput(
  _ d: TilePlace<UnsafePointer<Float>>, into v: TilePlace<UnsafeMutablePointer<Float>>
) {
  if isNarrow {
    for part in stride(from: 0, to: 16, by: 8) {
      transformInput(SIMD8<Float>.self, d.from(part), into: v.from(part))
    }
  } else {
    transformInput(SIMD16<Float>.self, d, into: v)
  }
}

@inline(__always)
private func transformInput<V: Channels>(
  _: V.Type, _ d: TilePlace<UnsafePointer<Float>>, into v: TilePlace<UnsafeMutablePointer<Float>>
) {
  let first: Six<V> = six { inputsAtEnd(d(0, $0), d(2, $0), d(4, $0)) }
  v.store(inputTransform(first), row: 0)
  let one: Six<(plus: V, minus: V)> = six { inputsAtOne(d(1, $0), d(2, $0), d(3, $0), d(4, $0)) }
  v.store(inputTransform(plus(one)), row: 1)
  v.store(inputTransform(minus(one)), row: 2)
  let two: Six<(plus: V, minus: V)> = six { inputsAtTwo(d(1, $0), d(2, $0), d(3, $0), d(4, $0)) }
  v.store(inputTransform(plus(two)), row: 3)
  v.store(inputTransform(minus(two)), row: 4)
  let last: Six<V> = six { inputsAtEnd(d(1, $0), d(3, $0), d(5, $0)) }
  v.store(inputTransform(last), row: 5)
}

/// The first of six pairs.
@inline(__always)
private func plus<V>(_ x: Six<(plus: V, minus: V)>) -> Six<V> {
  (x.0.plus, x.1.plus, x.2.plus, x.3.plus, x.4.plus, x.5.plus)
}

/// The second of six pairs.
@inline(__always)
private func minus<V>(_ x: Six<(plus: V, minus: V)>) -> Six<V> {
  (x.0.minus, x.1.minus, x.2.minus, x.3.minus, x.4.minus, x.5.minus)
}

/// A^T m A + shift: 36 frequencies to a 4x4 tile of the output.
@inline(__always)
func transformOutput(
  _ m: TilePlace<UnsafePointer<Float>>, shift: Vector,
  into y: TilePlace<UnsafeMutablePointer<Float>>
) {
  if isNarrow {
    transformOutput(SIMD8<Float>.self, m, shift: shift.lowHalf, into: y)
    transformOutput(SIMD8<Float>.self, m.from(8), shift: shift.highHalf, into: y.from(8))
  } else {
    transformOutput(SIMD16<Float>.self, m, shift: shift, into: y)
  }
}

@inline(__always)
private func transformOutput<V: Channels>(
  _: V.Type, _ m: TilePlace<UnsafePointer<Float>>, shift: V,
  into y: TilePlace<UnsafeMutablePointer<Float>>
) {
  let even: Six<(V, V)> = six { evenOutputs(m(0, $0), m(1, $0), m(2, $0), m(3, $0), m(4, $0)) }
  y.store(
    outputTransform((even.0.0, even.1.0, even.2.0, even.3.0, even.4.0, even.5.0)), plus: shift,
    row: 0)
  y.store(
    outputTransform((even.0.1, even.1.1, even.2.1, even.3.1, even.4.1, even.5.1)), plus: shift,
    row: 2)
  let odd: Six<(V, V)> = six { oddOutputs(m(1, $0), m(2, $0), m(3, $0), m(4, $0), m(5, $0)) }
  y.store(
    outputTransform((odd.0.0, odd.1.0, odd.2.0, odd.3.0, odd.4.0, odd.5.0)), plus: shift, row: 1)
  y.store(
    outputTransform((odd.0.1, odd.1.1, odd.2.1, odd.3.1, odd.4.1, odd.5.1)), plus: shift, row: 3)
}

/// A y A^T: a 4x4 tile of output gradients to 36 frequencies.
@inline(__always)
func transformOutputGradient(
  _ y: TilePlace<UnsafePointer<Float>>, into m: TilePlace<UnsafeMutablePointer<Float>>
) {
  if isNarrow {
    for part in stride(from: 0, to: 16, by: 8) {
      transformOutputGradient(SIMD8<Float>.self, y.from(part), into: m.from(part))
    }
  } else {
    transformOutputGradient(SIMD16<Float>.self, y, into: m)
  }
}

@inline(__always)
private func transformOutputGradient<V: Channels>(
  _: V.Type, _ y: TilePlace<UnsafePointer<Float>>, into m: TilePlace<UnsafeMutablePointer<Float>>
) {
  let first: Four<V> = four { y(0, $0) }
  m.store(outputAdjoint(first), row: 0)
  let one: Four<(plus: V, minus: V)> = four {
    gradientsAtOne(y(0, $0), y(1, $0), y(2, $0), y(3, $0))
  }
  m.store(outputAdjoint((one.0.plus, one.1.plus, one.2.plus, one.3.plus)), row: 1)
  m.store(outputAdjoint((one.0.minus, one.1.minus, one.2.minus, one.3.minus)), row: 2)
  let two: Four<(plus: V, minus: V)> = four {
    gradientsAtTwo(y(0, $0), y(1, $0), y(2, $0), y(3, $0))
  }
  m.store(outputAdjoint((two.0.plus, two.1.plus, two.2.plus, two.3.plus)), row: 3)
  m.store(outputAdjoint((two.0.minus, two.1.minus, two.2.minus, two.3.minus)), row: 4)
  let last: Four<V> = four { y(3, $0) }
  m.store(outputAdjoint(last), row: 5)
}

/// G g G^T: 3x3 taps to 36 frequencies.
@inline(__always)
func transformFilter(
  _ tap: (_ i: Int, _ j: Int) -> Vector, into u: TilePlace<UnsafeMutablePointer<Float>>
) {
  u.store(filterTransform(three { tap(0, $0) * 0.25 }), row: 0)
  let one = three { tapsAtOne(tap(0, $0), tap(1, $0), tap(2, $0)) }
  u.store(filterTransform((one.0.plus, one.1.plus, one.2.plus)), row: 1)
  u.store(filterTransform((one.0.minus, one.1.minus, one.2.minus)), row: 2)
  let two = three { tapsAtTwo(tap(0, $0), tap(1, $0), tap(2, $0)) }
  u.store(filterTransform((two.0.plus, two.1.plus, two.2.plus)), row: 3)
  u.store(filterTransform((two.0.minus, two.1.minus, two.2.minus)), row: 4)
  u.store(filterTransform(three { tap(2, $0) }), row: 5)
}

/// G^T u G: 36 frequencies to the gradients of 3x3 taps; `row` is called with each row of them.
@inline(__always)
func transformFilterGradient(
  _ u: TilePlace<UnsafePointer<Float>>, row: (Int, Three<Vector>) -> Void
) {
  let g: Six<Three<Vector>> = six {
    filterAdjoint((u(0, $0), u(1, $0), u(2, $0), u(3, $0), u(4, $0), u(5, $0)))
  }
  row(0, filterAdjoint((g.0.0, g.1.0, g.2.0, g.3.0, g.4.0, g.5.0)))
  row(1, filterAdjoint((g.0.1, g.1.1, g.2.1, g.3.1, g.4.1, g.5.1)))
  row(2, filterAdjoint((g.0.2, g.1.2, g.2.2, g.3.2, g.4.2, g.5.2)))
}
