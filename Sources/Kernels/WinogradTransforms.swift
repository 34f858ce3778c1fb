// Winograd's F(4x4, 3x3): four outputs in a row of a 3-tap convolution from six products in place
// of twelve, by evaluating polynomials at 0, 1, -1, 2, -2 and infinity (Lavin and Gray, "Fast
// algorithms for convolutional neural networks", 2015):
//
//     y = A^T [(G g) * (B^T d)]        d: 6 inputs, g: 3 taps, y: 4 outputs, *: element by element
//
// In two dimensions the matrices act on columns, then on rows. First come the five products with
// the matrices and their transposes, for sixteen channels at a time; then their two-dimensional
// forms, which read a tile and write a tile and keep all between in registers.

/// Six values of sixteen channels.
typealias Six = (Vector, Vector, Vector, Vector, Vector, Vector)
/// Four values of sixteen channels.
typealias Four = (Vector, Vector, Vector, Vector)
/// Three values of sixteen channels.
typealias Three = (Vector, Vector, Vector)

/// A place in memory from which a tile is read, or to which it is written: the vector of row i and
/// column j is at `i row + j column`.
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
  subscript(i: Int, j: Int) -> Vector { start.vector(i &* row &+ j &* column) }
}

extension TilePlace<UnsafeMutablePointer<Float>> {
  /// Writes a row of a tile.
  @inline(__always)
  func store(_ m: Six, row i: Int) {
    let target = start + i &* row
    target.store(m.0, at: 0)
    target.store(m.1, at: column)
    target.store(m.2, at: 2 &* column)
    target.store(m.3, at: 3 &* column)
    target.store(m.4, at: 4 &* column)
    target.store(m.5, at: 5 &* column)
  }

  /// Writes a row of a tile, with the same number added to each vector.
  @inline(__always)
  func store(_ y: Four, plus shift: Vector, row i: Int) {
    let target = start + i &* row
    target.store(y.0 + shift, at: 0)
    target.store(y.1 + shift, at: column)
    target.store(y.2 + shift, at: 2 &* column)
    target.store(y.3 + shift, at: 3 &* column)
  }
}

/// The values of f at 0, 1, 2, 3, 4 and 5.
@inline(__always)
func six<Value>(_ f: (Int) -> Value) -> (Value, Value, Value, Value, Value, Value) {
  (f(0), f(1), f(2), f(3), f(4), f(5))
}

/// B^T d: six inputs to six frequencies.
@inline(__always)
func inputTransform(_ d: Six) -> Six {
  let one = inputsAtOne(d.1, d.2, d.3, d.4)
  let two = inputsAtTwo(d.1, d.2, d.3, d.4)
  return (
    inputsAtEnd(d.0, d.2, d.4), one.plus, one.minus, two.plus, two.minus,
    inputsAtEnd(d.1, d.3, d.5)
  )
}

/// The frequency at 0 from inputs 0, 2, 4, or that at infinity from inputs 1, 3, 5.
@inline(__always)
func inputsAtEnd(_ a: Vector, _ b: Vector, _ c: Vector) -> Vector {
  multiplyAdd(a, 4, multiplyAdd(b, -5, c))
}

/// The frequencies at 1 and -1 from inputs 1 to 4.
@inline(__always)
func inputsAtOne(_ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector)
  -> (plus: Vector, minus: Vector)
{
  let (even, odd) = (multiplyAdd(b, -4, d), multiplyAdd(a, -4, c))
  return (even + odd, even - odd)
}

/// The frequencies at 2 and -2 from inputs 1 to 4.
@inline(__always)
func inputsAtTwo(_ a: Vector, _ b: Vector, _ c: Vector, _ d: Vector)
  -> (plus: Vector, minus: Vector)
{
  let (even, odd) = (d - b, c - a)
  return (multiplyAdd(odd, 2, even), multiplyAdd(odd, -2, even))
}

/// A^T m: six frequencies to four outputs.
@inline(__always)
func outputTransform(_ m: Six) -> Four {
  let (a, b) = (m.1 + m.2, m.1 - m.2)
  let (e, f) = (m.3 + m.4, m.3 - m.4)
  return (
    m.0 + a + e, multiplyAdd(f, 2, b), multiplyAdd(e, 4, a), multiplyAdd(f, 8, b) + m.5
  )
}

/// A y: the transpose of the output transform, four output gradients to six frequencies.
@inline(__always)
func outputAdjoint(_ y: Four) -> Six {
  let (a, b) = (y.0 + y.2, y.1 + y.3)
  let (e, f) = (multiplyAdd(y.2, 4, y.0), 2 * multiplyAdd(y.3, 4, y.1))
  return (y.0, a + b, a - b, e + f, e - f, y.3)
}

/// G g: three taps to six frequencies.
@inline(__always)
func filterTransform(_ g: Three) -> Six {
  let (a, b) = ((g.0 + g.2) * (-1 / 6), g.1 * (1 / 6))
  let (e, f) = (multiplyAdd(g.0, 1 / 24, g.2 * (1 / 6)), g.1 * (1 / 12))
  return (g.0 * 0.25, a - b, a + b, e + f, e - f, g.2)
}

/// G^T m: the transpose of the filter transform, six frequencies to three tap gradients.
@inline(__always)
func filterAdjoint(_ m: Six) -> Three {
  let (a, b) = (m.1 + m.2, m.2 - m.1)
  let (e, f) = (m.3 + m.4, m.3 - m.4)
  return (
    multiplyAdd(m.0, 0.25, multiplyAdd(a, -1 / 6, e * (1 / 24))),
    multiplyAdd(b, 1 / 6, f * (1 / 12)), multiplyAdd(e - a, 1 / 6, m.5)
  )
}

/// B^T d B: a 6x6 tile of the image to its 36 frequencies.
///
/// One or two rows of B^T d at a time, so that they stay in registers; the image comes from the
/// first cache.
@inline(__always)
func transformInput(
  _ d: TilePlace<UnsafePointer<Float>>, into v: TilePlace<UnsafeMutablePointer<Float>>
) {
  v.store(inputTransform(six { inputsAtEnd(d[0, $0], d[2, $0], d[4, $0]) }), row: 0)
  let one = six { inputsAtOne(d[1, $0], d[2, $0], d[3, $0], d[4, $0]) }
  v.store(
    inputTransform((one.0.0, one.1.0, one.2.0, one.3.0, one.4.0, one.5.0)), row: 1)
  v.store(
    inputTransform((one.0.1, one.1.1, one.2.1, one.3.1, one.4.1, one.5.1)), row: 2)
  let two = six { inputsAtTwo(d[1, $0], d[2, $0], d[3, $0], d[4, $0]) }
  v.store(
    inputTransform((two.0.0, two.1.0, two.2.0, two.3.0, two.4.0, two.5.0)), row: 3)
  v.store(
    inputTransform((two.0.1, two.1.1, two.2.1, two.3.1, two.4.1, two.5.1)), row: 4)
  v.store(inputTransform(six { inputsAtEnd(d[1, $0], d[3, $0], d[5, $0]) }), row: 5)
}

/// A^T m A + shift: 36 frequencies to a 4x4 tile of the output.
@inline(__always)
func transformOutput(
  _ m: TilePlace<UnsafePointer<Float>>, shift: Vector,
  into y: TilePlace<UnsafeMutablePointer<Float>>
) {
  let s = six { outputTransform((m[0, $0], m[1, $0], m[2, $0], m[3, $0], m[4, $0], m[5, $0])) }
  y.store(outputTransform((s.0.0, s.1.0, s.2.0, s.3.0, s.4.0, s.5.0)), plus: shift, row: 0)
  y.store(outputTransform((s.0.1, s.1.1, s.2.1, s.3.1, s.4.1, s.5.1)), plus: shift, row: 1)
  y.store(outputTransform((s.0.2, s.1.2, s.2.2, s.3.2, s.4.2, s.5.2)), plus: shift, row: 2)
  y.store(outputTransform((s.0.3, s.1.3, s.2.3, s.3.3, s.4.3, s.5.3)), plus: shift, row: 3)
}

/// A y A^T: a 4x4 tile of output gradients to 36 frequencies.
@inline(__always)
func transformOutputGradient(
  _ y: TilePlace<UnsafePointer<Float>>, into m: TilePlace<UnsafeMutablePointer<Float>>
) {
  @inline(__always)
  func column(_ j: Int) -> Six { outputAdjoint((y[0, j], y[1, j], y[2, j], y[3, j])) }
  let (a, b, c, d) = (column(0), column(1), column(2), column(3))
  m.store(outputAdjoint((a.0, b.0, c.0, d.0)), row: 0)
  m.store(outputAdjoint((a.1, b.1, c.1, d.1)), row: 1)
  m.store(outputAdjoint((a.2, b.2, c.2, d.2)), row: 2)
  m.store(outputAdjoint((a.3, b.3, c.3, d.3)), row: 3)
  m.store(outputAdjoint((a.4, b.4, c.4, d.4)), row: 4)
  m.store(outputAdjoint((a.5, b.5, c.5, d.5)), row: 5)
}

/// G g G^T: 3x3 taps to 36 frequencies.
@inline(__always)
func transformFilter(
  _ tap: (_ i: Int, _ j: Int) -> Vector, into u: TilePlace<UnsafeMutablePointer<Float>>
) {
  @inline(__always)
  func column(_ j: Int) -> Six { filterTransform((tap(0, j), tap(1, j), tap(2, j))) }
  let (a, b, c) = (column(0), column(1), column(2))
  u.store(filterTransform((a.0, b.0, c.0)), row: 0)
  u.store(filterTransform((a.1, b.1, c.1)), row: 1)
  u.store(filterTransform((a.2, b.2, c.2)), row: 2)
  u.store(filterTransform((a.3, b.3, c.3)), row: 3)
  u.store(filterTransform((a.4, b.4, c.4)), row: 4)
  u.store(filterTransform((a.5, b.5, c.5)), row: 5)
}

/// G^T u G: 36 frequencies to the gradients of 3x3 taps; `row` is called with each row of them.
@inline(__always)
func transformFilterGradient(_ u: TilePlace<UnsafePointer<Float>>, row: (Int, Three) -> Void) {
  let g = six { filterAdjoint((u[0, $0], u[1, $0], u[2, $0], u[3, $0], u[4, $0], u[5, $0])) }
  row(0, filterAdjoint((g.0.0, g.1.0, g.2.0, g.3.0, g.4.0, g.5.0)))
  row(1, filterAdjoint((g.0.1, g.1.1, g.2.1, g.3.1, g.4.1, g.5.1)))
  row(2, filterAdjoint((g.0.2, g.1.2, g.2.2, g.3.2, g.4.2, g.5.2)))
}
