// One image [pixels, channels] as the group normalization walks over it: row by row in the order of
// memory. A row is as many pixels as make whole vectors, so that what belongs to a channel lies in
// arrays of one row's length, and any number of channels runs at full width.

/// One image as rows of `span` floats, of which the last may be shorter.
struct ChannelRows {
  /// The floats of a row: a multiple of the channels and of 16, and not below 256, where sums that
  /// are kept in memory between rows would wait for each other.
  let span: Int
  /// The floats of the image.
  let count: Int

  init(_ g: GroupNormalizationGeometry) {
    let whole = 16 * g.channels / min(16, g.channels & -g.channels)
    span = whole * ((256 + whole - 1) / whole)
    count = g.pixels * g.channels
  }

  /// The blocks of 32 rows: what is added up in Float before the sums go on in Double.
  ///
  /// A second pass takes them in reverse, because the end of the image is what the first has left
  /// in the cache.
  var blocks: Range<Int> { 0..<((count + 32 * span - 1) / (32 * span)) }

  /// Lets a pass run over a block, four rows at a time, and rows that are left one by one.
  @inline(__always)
  func run<Pass: RowPass>(_ pass: Pass, over block: Int) {
    var start = block * 32 * span
    let end = min(count, start + 32 * span)
    while start + 4 * span <= end {
      for place in stride(from: 0, to: span, by: 16) {
        pass.run(Lanes(start: place, count: 16), rows: 4, from: start)
      }
      start += 4 * span
    }
    while start < end {
      for place in vectors(min(span, end - start)) { pass.run(place, rows: 1, from: start) }
      start += span
    }
  }
}

/// One pass of arithmetic over an image.
protocol RowPass {
  /// Does one place in some rows, of which the first starts at `start`.
  ///
  /// What belongs to the place is loaded once for all of them.
  func run(_ place: Lanes, rows: Int, from start: Int)
}

/// Sums in Double, in memory that is aligned for floats.
struct Totals {
  private let sums: UnsafeMutablePointer<Float>
  private let totals: UnsafeMutableRawPointer
  private let count: Int

  /// Totals of what is added up in `sums`, all zero at first.
  ///
  /// `count` is a multiple of 16; the totals take twice as many floats of memory.
  init(
    count: Int, of sums: UnsafeMutablePointer<Float>, in memory: UnsafeMutablePointer<Float>
  ) {
    self.count = count
    self.sums = sums
    totals = UnsafeMutableRawPointer(memory)
    fill(count: count, with: 0, into: sums)
    fill(count: 2 * count, with: 0, into: memory)
  }

  /// Adds the sums in Float, and sets them to zero.
  func take() {
    for i in stride(from: 0, to: count, by: 16) {
      let old = (totals + 8 * i).loadUnaligned(as: SIMD16<Double>.self)
      (totals + 8 * i).storeBytes(of: old + doubles(sums.vector(i)), as: SIMD16<Double>.self)
      sums.store(SIMD16<Float>.zero, at: i)
    }
  }

  /// One total.
  subscript(_ i: Int) -> Double {
    get { (totals + 8 * i).loadUnaligned(as: Double.self) }
    nonmutating set { (totals + 8 * i).storeBytes(of: newValue, as: Double.self) }
  }
}
