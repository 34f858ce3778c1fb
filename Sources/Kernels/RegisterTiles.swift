import CProcessor

/// Sixteen floats: one AVX-512 register, two of AVX2, four of NEON.
typealias Vector = SIMD16<Float>

/// A block of a matrix product whose sums stay in registers.
///
///     c[r, j] = the sum over k of a[r, k] b[k, j]        r < rows, j < 16 vectors
///
/// Each value of `a` is multiplied with `vectors` vectors of `b`, and each vector of `b` with
/// `rows` values of `a`, so that loads stay behind the arithmetic. Sums run over k from first to
/// last: what a row gives does not depend on the other rows.
struct RegisterTile<let rows: Int, let vectors: Int> {
  private typealias Sums = InlineArray<rows, InlineArray<vectors, Vector>>

  /// Adds a term to all sums, and moves on to the next.
  ///
  /// Rows are in threes, whose values are one or two rows from the first: x86 adds a register, or twice
  /// that, as it loads. So six rows take two pointers, and none of them leaves the registers.
  @_transparent
  private static func addTerm(
    _ sums: inout Sums, _ threes: inout InlineArray<3, UnsafePointer<Float>>, row: Int,
    _ b: inout UnsafePointer<Float>, term: Int, stride: Int, ahead: Int
  ) {
    if ahead > 0 {
      for v in 0..<vectors { tessera_prefetch(b + (ahead &+ v &* 16)) }
    }
    for r in 0..<rows {
      let x = Vector(repeating: threes[unchecked: r / 3][r % 3 &* row])
      for v in 0..<vectors {
        sums[unchecked: r][unchecked: v] = multiplyAdd(
          x, b.vector(v &* 16), sums[unchecked: r][unchecked: v])
      }
    }
    for i in 0..<3 { threes[unchecked: i] += term }
    b += stride
  }

  /// Computes a block.
  ///
  /// - Parameters:
  ///   - inner: the number of terms of each sum.
  ///   - a: the value of row r and term k is at `r row + k term`.
  ///   - b: the vectors of term k begin at `k stride`.
  ///   - c: row r begins at `r leading`.
  ///   - accumulate: whether the sums are added to what `c` holds.
  ///   - start: a row of values at which the sums begin, in place of 0.
  ///   - ahead: how many floats ahead b is fetched from memory, where it is read but once; 0 leaves that
  ///     to the processor, whose own prefetching ends with each page.
  @inline(__always)
  static func multiply(
    inner: Int, _ a: UnsafePointer<Float>, row: Int, term: Int,
    _ b: UnsafePointer<Float>, stride: Int,
    into c: UnsafeMutablePointer<Float>, leading: Int, accumulate: Bool,
    startingAt start: UnsafePointer<Float>? = nil, ahead: Int = 0
  ) {
    var sums = Sums(repeating: InlineArray(repeating: .zero))
    if let start {
      for v in 0..<vectors {
        let x = start.vector(v &* 16)
        for r in 0..<rows { sums[unchecked: r][unchecked: v] = x }
      }
    }
    var threes: InlineArray<3, UnsafePointer<Float>> = [a, a + 3 &* row, a + 6 &* row]
    var b = b
    var k = 0
    // Two terms a round: what counts and moves on is a tenth of the instructions.
    while k < inner {
      addTerm(&sums, &threes, row: row, &b, term: term, stride: stride, ahead: ahead)
      k &+= 1
      guard k < inner else { break }
      addTerm(&sums, &threes, row: row, &b, term: term, stride: stride, ahead: ahead)
      k &+= 1
    }
    for r in 0..<rows {
      for v in 0..<vectors {
        let y = c + (r &* leading &+ v &* 16)
        let sum = sums[unchecked: r][unchecked: v]
        y.store(accumulate ? y.vector(0) + sum : sum, at: 0)
      }
    }
  }
}

/// What is fetched from memory with each tile, so that later ones find it in the second cache: some lines
/// of two streams, and the result of the tile below.
///
/// Matrices that are used once, such as a transformed filter in training, come from memory or the third
/// cache: without this, a product of 256 channels ran at two thirds of its speed.
struct TilePrefetch {
  /// Lines of 16 floats that are fetched one after the other.
  struct Stream {
    private var next: UnsafePointer<Float>?
    private var left = 0, lines = 0

    /// Nothing to fetch.
    init() {}

    /// Floats from a place on, fetched evenly with a number of tiles.
    init(_ start: UnsafePointer<Float>, count: Int, tiles: Int) {
      next = start
      left = (count + 15) / 16
      lines = (left + tiles - 1) / max(tiles, 1)
    }

    @inline(__always)
    fileprivate mutating func fetch() {
      guard left > 0, var x = next else { return }
      let count = min(lines, left)
      for _ in 0..<count {
        tessera_prefetch_soon(x)
        x += 16
      }
      next = x
      left &-= count
    }
  }

  /// The streams.
  var first = Stream(), second = Stream()
  /// Whether results are fetched too.
  var fetchesResults = true

  /// Fetches what goes with a tile.
  @inline(__always)
  mutating func fetch(
    rows: Int, vectors: Int, below c: UnsafeMutablePointer<Float>, leading: Int
  ) {
    first.fetch()
    second.fetch()
    guard fetchesResults else { return }
    for r in 0..<rows {
      let y = c + (rows &+ r) &* leading
      for v in 0..<vectors { tessera_prefetch_write(y + v &* 16) }
    }
  }
}

/// The tiles that fit the processor's registers best, as told to the compiler.
///
/// AVX-512 has 32 registers of one vector, AVX2 has 16 of half a vector, NEON 32 of a quarter, SSE 16 of
/// a quarter. Of the tiles that fill them the wide ones take the fewest instructions: six rows of four
/// vectors 38 for 24 products, eight rows of two 30 for 16. A core to itself does either at its peak; one
/// that runs two threads at a time, as cores of rented machines do, does the wide one up to a fifth faster.
enum RegisterTiles {
  /// The columns of a tile, and of a panel of a packed matrix.
  static let columns = TESSERA_VECTOR_FLOATS >= 16 ? 64 : 16
  /// The rows of a tile.
  static let rows = areFew ? 3 : 6
  /// Whether six rows of sums do not fit the registers: those of SSE hold three.
  private static let areFew = TESSERA_VECTOR_FLOATS * TESSERA_VECTOR_REGISTERS < 128

  /// Computes a block of up to `columns` columns, 16 at least, and any number of rows.
  ///
  /// What a row yields does not depend on the tiles that it falls into.
  static func multiply(
    rows: Int, columns: Int, inner: Int, _ a: UnsafePointer<Float>, row: Int, term: Int,
    _ b: UnsafePointer<Float>, stride: Int,
    into c: UnsafeMutablePointer<Float>, leading: Int, accumulate: Bool,
    startingAt start: UnsafePointer<Float>? = nil,
    prefetch: UnsafeMutablePointer<TilePrefetch>? = nil
  ) {
    var column = 0
    while column < columns {
      let left = columns &- column
      let width = left >= 64 ? 64 : left >= 32 ? 32 : 16
      multiply(
        rows: rows, width: width, inner: inner, a, row: row, term: term, b + column, stride: stride,
        into: c + column, leading: leading, accumulate: accumulate,
        startingAt: start.map { $0 + column }, prefetch: prefetch)
      column &+= width
    }
  }

  /// Computes a block of 16, 32 or 64 columns.
  private static func multiply(
    rows: Int, width: Int, inner: Int, _ a: UnsafePointer<Float>, row: Int, term: Int,
    _ b: UnsafePointer<Float>, stride: Int,
    into c: UnsafeMutablePointer<Float>, leading: Int, accumulate: Bool,
    startingAt start: UnsafePointer<Float>?, prefetch: UnsafeMutablePointer<TilePrefetch>?
  ) {
    var (left, a, c) = (rows, a, c)
    /// One tile, and on to the rows below it.
    @inline(__always)
    func tile<let height: Int, let width: Int>(_: RegisterTile<height, width>.Type) {
      prefetch?.pointee.fetch(rows: height, vectors: width, below: c, leading: leading)
      RegisterTile<height, width>.multiply(
        inner: inner, a, row: row, term: term, b, stride: stride, into: c, leading: leading,
        accumulate: accumulate, startingAt: start)
      a += height &* row
      c += height &* leading
      left &-= height
    }
    switch width {
    case 64:
      while left >= 6 { tile(RegisterTile<6, 4>.self) }
      if left >= 4 { tile(RegisterTile<4, 4>.self) }
      if left >= 2 { tile(RegisterTile<2, 4>.self) }
      if left >= 1 { tile(RegisterTile<1, 4>.self) }
    case 32:
      while left >= 8 { tile(RegisterTile<8, 2>.self) }
      if left >= 4 { tile(RegisterTile<4, 2>.self) }
      if left >= 2 { tile(RegisterTile<2, 2>.self) }
      if left >= 1 { tile(RegisterTile<1, 2>.self) }
    default:
      if areFew {
        while left >= 3 { tile(RegisterTile<3, 1>.self) }
      } else {
        while left >= 6 { tile(RegisterTile<6, 1>.self) }
        if left >= 4 { tile(RegisterTile<4, 1>.self) }
      }
      if left >= 2 { tile(RegisterTile<2, 1>.self) }
      if left >= 1 { tile(RegisterTile<1, 1>.self) }
    }
  }
}
