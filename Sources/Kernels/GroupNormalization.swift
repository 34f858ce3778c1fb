import Forms

/// What follows a group normalization in the same pass.
public enum FusedActivation: Sendable, Hashable {
  /// Nothing.
  case none
  /// x sigmoid(x).
  case silu
}

/// The sizes of a group normalization over x [N, P, C].
public struct GroupNormalizationGeometry: Sendable, Hashable {
  /// The number of images, N.
  public var batch: Int
  /// The pixels of an image, P.
  public var pixels: Int
  /// The channels, C; a multiple of `groups`.
  public var channels: Int
  /// The groups that the channels fall into, G: C / G neighbours each.
  public var groups: Int
  /// What is added to the variance.
  public var epsilon: Float
  /// What follows in the same pass.
  public var activation: FusedActivation

  /// Names every size.
  public init(
    batch: Int, pixels: Int, channels: Int, groups: Int, epsilon: Float,
    activation: FusedActivation
  ) {
    self.batch = batch
    self.pixels = pixels
    self.channels = channels
    self.groups = groups
    self.epsilon = epsilon
    self.activation = activation
  }

  /// The floats of scratch memory that each function needs: eleven for each place of a row of
  /// whole vectors (coefficients, sums, sums in Double), and two sums in Double per channel.
  public var workspace: Int { 11 * ChannelRows(self).span + 4 * channels }

  /// The phases in which threads share `groupNormalize`: for each image its moments, then its result.
  public var phases: Int { 2 * batch }

  /// Channels per group.
  var depth: Int { channels / groups }
}

/// y = act((x - mean) reciprocalDeviation scale[c] + shift[c]), with mean and deviation over the
/// pixels and channels of each group of each image.
///
/// x and y are [N, P, C]; scale and shift [C]; mean and reciprocalDeviation = 1 / sqrt(variance +
/// epsilon) come out as [N, G]. The variance is that of the population, summed about nearly the
/// mean, so a large mean costs no accuracy. `y` may be `x`.
/// Wu and He, "Group Normalization", arXiv 1803.08494.
///
/// - Parameters:
///   - share: what is computed, of `GroupNormalizationGeometry.phases` phases: in both phases of an image the
///     same channels of the same pixels, which the thread's cache may still hold.
///   - shared: the workspace of the first share; the share's own where there is no other.
public func groupNormalize(
  _ g: GroupNormalizationGeometry, x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
  shift: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  mean: UnsafeMutablePointer<Float>, reciprocalDeviation: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, share: WorkShare = .whole,
  shared: UnsafeMutablePointer<Float>? = nil
) {
  let rows = ChannelRows(g)
  let places = share.range(of: rows.span, unit: 16)
  let origin = workspace
  let sums = workspace + rows.span
  let totals = Totals(
    count: 2 * rows.span, of: sums, in: (shared ?? workspace) + 3 * rows.span)
  for n in 0..<g.batch {
    let start = n * g.pixels * g.channels
    var (means, reciprocals) = (mean + n * g.groups, reciprocalDeviation + n * g.groups)
    if share.includes(phase: 2 * n) {
      addMoments(g, rows, places, x + start, origin: origin, sums: sums, totals: totals)
    }
    guard share.includes(phase: 2 * n + 1) else { continue }
    if share.index > 0 {
      // Each share has the moments for itself; those of the first one are the outputs.
      means = workspace + 7 * rows.span
      reciprocals = means + g.groups
    }
    finishMoments(g, rows, origin, totals, mean: means, reciprocalDeviation: reciprocals)
    normalize(
      g, rows, places, x + start, scale, shift, means, reciprocals, into: y + start,
      workspace: workspace)
  }
}

/// The y of `groupNormalize` again, bit by bit, from the mean and reciprocalDeviation that it gave.
///
/// For a y that was not kept. `y` may be `x`.
public func groupNormalizeAgain(
  _ g: GroupNormalizationGeometry, x: UnsafePointer<Float>, scale: UnsafePointer<Float>,
  shift: UnsafePointer<Float>, mean: UnsafePointer<Float>,
  reciprocalDeviation: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let rows = ChannelRows(g)
  for n in 0..<g.batch {
    let start = n * g.pixels * g.channels
    normalize(
      g, rows, 0..<rows.span, x + start, scale, shift, mean + n * g.groups,
      reciprocalDeviation + n * g.groups, into: y + start, workspace: workspace)
  }
}

/// Adds up the differences from an origin near the mean of each group of one image, and their squares, at
/// some places of its rows.
///
/// One pass over memory: with differences d from an origin near the mean, mean = origin + E d and
/// variance = E d^2 - (E d)^2, which loses nothing while (E d)^2 is not far above the variance.
private func addMoments(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ places: Range<Int>,
  _ x: UnsafePointer<Float>, origin: UnsafeMutablePointer<Float>,
  sums: UnsafeMutablePointer<Float>, totals: Totals
) {
  let squares = (rows.span + places.lowerBound)..<(rows.span + places.upperBound)
  totals.clear(places)
  totals.clear(squares)
  sampleMeans(g, rows, x, step: sampleStep(g) * g.channels, into: origin)
  let pass = Moments(
    x: x, origin: origin, sums: sums, squares: sums + rows.span, span: rows.span)
  for block in rows.blocks {
    rows.run(pass, over: block, places)
    totals.take(places)
    totals.take(squares)
  }
}

/// Mean and 1 / sqrt(variance + epsilon) of each group from the totals of differences and their squares.
func finishMoments(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ origin: UnsafePointer<Float>,
  _ totals: Totals, mean: UnsafeMutablePointer<Float>,
  reciprocalDeviation: UnsafeMutablePointer<Float>
) {
  let count = Double(g.pixels * g.depth)
  for group in 0..<g.groups {
    var first = 0.0
    var second = 0.0
    for pixel in stride(from: group * g.depth, to: rows.span, by: g.channels) {
      for place in pixel..<(pixel + g.depth) {
        first += totals[place]
        second += totals[rows.span + place]
      }
    }
    let average = first / count
    let variance = max(0, second / count - average * average)
    mean[group] = Float(Double(origin[group * g.depth]) + average)
    reciprocalDeviation[group] = Float(1 / (variance + Double(g.epsilon)).squareRoot())
  }
}

/// The pixels whose means are the origin: eight, or as many as there are.
func sampleCount(_ g: GroupNormalizationGeometry) -> Int { min(8, g.pixels) }

/// The pixels from one of them to the next.
func sampleStep(_ g: GroupNormalizationGeometry) -> Int { g.pixels / max(1, sampleCount(g)) }

/// origin[place] = about the mean of the group that the place belongs to, from some pixels.
///
/// They are spread over the image, so that no corner of it speaks for all. Differences from
/// the first one are averaged, so that a constant group has its value for an origin, exactly.
/// They lie `step` floats apart in `x`.
func sampleMeans(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ x: UnsafePointer<Float>, step: Int,
  into origin: UnsafeMutablePointer<Float>
) {
  guard g.pixels > 0 else { return }
  let samples = sampleCount(g)
  for c in vectors(g.channels) {
    let first = x[c]
    var sum = SIMD16<Float>.zero
    for sample in 1..<samples { sum += x[c + sample &* step] - first }
    origin[c] = multiplyAdd(sum, 1 / Float(samples), first)
  }
  for group in 0..<g.groups {
    let channels = (group * g.depth)..<((group + 1) * g.depth)
    var sum = 0.0
    for c in channels { sum += Double(origin[c]) }
    for c in channels { origin[c] = Float(sum / Double(g.depth)) }
  }
  repeatPixel(g, rows, origin)
}

/// y = act((x - mean) reciprocalDeviation scale + shift) for one image, at some places of its rows.
private func normalize(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ places: Range<Int>,
  _ x: UnsafePointer<Float>, _ scale: UnsafePointer<Float>,
  _ shift: UnsafePointer<Float>, _ means: UnsafePointer<Float>,
  _ reciprocals: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let c = Coefficients(g, rows, scale, shift, means, reciprocals, in: workspace)
  let pass = Normalization(
    x: x, c: c, isSiLU: g.activation == .silu, y: y, span: rows.span)
  for block in rows.blocks.reversed() { rows.run(pass, over: block, places) }
}

/// Adds up x - origin and its square.
struct Moments: RowPass {
  let x: UnsafePointer<Float>
  let origin: UnsafeMutablePointer<Float>
  let sums: UnsafeMutablePointer<Float>
  let squares: UnsafeMutablePointer<Float>
  let span: Int

  @inline(__always)
  func run(_ place: Lanes, rows: Int, from start: Int) {
    let origin = origin[place]
    var (sum, square) = (sums[place], squares[place])
    for row in 0..<rows {
      let d = x[place + (start &+ row &* span)] - origin
      sum += d
      square = multiplyAdd(d, d, square)
    }
    sums[place] = sum
    squares[place] = square
  }
}

/// y = act((x - mean) slope + shift).
private struct Normalization: RowPass {
  let x: UnsafePointer<Float>
  let c: Coefficients
  let isSiLU: Bool
  let y: UnsafeMutablePointer<Float>
  let span: Int

  @inline(__always)
  func run(_ place: Lanes, rows: Int, from start: Int) {
    let (mean, slope, shift) = c[place]
    for row in 0..<rows {
      let at = place + (start &+ row &* span)
      let v = multiplyAdd(x[at] - mean, slope, shift)
      y[at] = isSiLU ? silu(v) : v
    }
  }
}

/// What (x - mean) slope + shift needs at each place of a row, with slope = scale / deviation.
struct Coefficients {
  let means: UnsafeMutablePointer<Float>
  let slopes: UnsafeMutablePointer<Float>
  let shifts: UnsafeMutablePointer<Float>

  /// Takes three rows of memory.
  init(
    _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ scale: UnsafePointer<Float>,
    _ shift: UnsafePointer<Float>, _ mean: UnsafePointer<Float>,
    _ reciprocal: UnsafePointer<Float>, in memory: UnsafeMutablePointer<Float>
  ) {
    means = memory
    slopes = memory + rows.span
    shifts = memory + 2 * rows.span
    for group in 0..<g.groups {
      for c in (group * g.depth)..<((group + 1) * g.depth) {
        means[c] = mean[group]
        slopes[c] = reciprocal[group] * scale[c]
        shifts[c] = shift[c]
      }
    }
    repeatPixel(g, rows, means)
    repeatPixel(g, rows, slopes)
    repeatPixel(g, rows, shifts)
  }

  /// Mean, slope and shift at a place.
  @inline(__always)
  subscript(_ place: Lanes) -> (mean: SIMD16<Float>, slope: SIMD16<Float>, shift: SIMD16<Float>) {
    (means[place], slopes[place], shifts[place])
  }
}

/// Fills a row with its first pixel.
func repeatPixel(
  _ g: GroupNormalizationGeometry, _ rows: ChannelRows, _ row: UnsafeMutablePointer<Float>
) {
  for i in g.channels..<rows.span { row[i] = row[i - g.channels] }
}

// MARK: - Walking over an image

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
  ///
  /// - Parameter places: the places of a row that it runs over, from a multiple of 16 to another; all unless
  ///   something else is said.
  @inline(__always)
  func run<Pass: RowPass>(_ pass: Pass, over block: Int, _ places: Range<Int>? = nil) {
    let places = places ?? 0..<span
    var start = block * 32 * span
    let end = min(count, start + 32 * span)
    while start + 4 * span <= end {
      for place in stride(from: places.lowerBound, to: places.upperBound, by: 16) {
        pass.run(Lanes(start: place, count: 16), rows: 4, from: start)
      }
      start += 4 * span
    }
    while start < end {
      for place in vectors(min(places.upperBound, end - start) - places.lowerBound) {
        pass.run(place + places.lowerBound, rows: 1, from: start)
      }
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

  /// Totals of what is added up in `sums`, to be cleared before use.
  ///
  /// `count` is a multiple of 16; the totals take twice as many floats of memory.
  init(
    count: Int, of sums: UnsafeMutablePointer<Float>, in memory: UnsafeMutablePointer<Float>
  ) {
    self.count = count
    self.sums = sums
    totals = UnsafeMutableRawPointer(memory)
  }

  /// Sets sums and totals to zero: all, or some from a multiple of 16 to another.
  func clear(_ places: Range<Int>? = nil) {
    let places = places ?? 0..<count
    fill(count: places.count, with: 0, into: sums + places.lowerBound)
    (totals + 8 * places.lowerBound).initializeMemory(
      as: Double.self, repeating: 0, count: places.count)
  }

  /// Adds the sums in Float, and sets them to zero: all, or some from a multiple of 16 to another.
  func take(_ places: Range<Int>? = nil) {
    let places = places ?? 0..<count
    for i in stride(from: places.lowerBound, to: places.upperBound, by: 16) {
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
