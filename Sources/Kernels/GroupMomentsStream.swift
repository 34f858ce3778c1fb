/// The moments of a group normalization over one image whose pixels come in pieces.
///
/// Mean and reciprocal deviation are, bit by bit, those that `groupNormalize` finds of the whole image,
/// however it is divided: each sum adds the same numbers in the same order. For images that are never in
/// memory as a whole. First come the sampled pixels, of which the origin is made, then all pixels in order.
public final class GroupMomentsStream {
  private let g: GroupNormalizationGeometry
  private let rows: ChannelRows
  private let memory: UnsafeMutablePointer<Float>
  private let totals: Totals
  /// The floats that were added.
  private var added = 0

  /// A stream of the pixels of one image: a geometry with a batch of 1.
  public init(_ geometry: GroupNormalizationGeometry) {
    precondition(geometry.batch == 1, "a stream is of one image")
    g = geometry
    rows = ChannelRows(geometry)
    memory = .allocate(capacity: 7 * rows.span)
    memory.initialize(repeating: 0, count: 7 * rows.span)
    totals = Totals(count: 2 * rows.span, of: memory + rows.span, in: memory + 3 * rows.span)
    totals.clear()
  }

  deinit { memory.deallocate() }

  /// The numbers of the pixels that ``begin(samples:)`` takes.
  public var sampledPixels: [Int] { (0..<sampleCount(g)).map { $0 * sampleStep(g) } }

  /// Takes the sampled pixels `[samples, C]`, before any other.
  public func begin(samples: UnsafePointer<Float>) {
    precondition(added == 0, "samples come first")
    sampleMeans(g, rows, samples, step: g.channels, into: memory)
  }

  /// Takes the next pixels `[count, C]`.
  public func add(_ pixels: UnsafePointer<Float>, count: Int) {
    precondition(added + count * g.channels <= rows.count, "no more pixels than the image has")
    let block = 32 * rows.span
    var (x, left) = (pixels, count * g.channels)
    while left > 0 {
      let part = min(left, block - added % block)
      addWithinBlock(x, count: part)
      x += part
      left -= part
      added += part
      if added % block == 0 || added == rows.count { totals.take() }
    }
  }

  /// Mean and 1 / sqrt(variance + epsilon) of each group, `[G]`, once all pixels have come.
  public func end(
    mean: UnsafeMutablePointer<Float>, reciprocalDeviation: UnsafeMutablePointer<Float>
  ) {
    precondition(added == rows.count, "all pixels of the image")
    finishMoments(g, rows, memory, totals, mean: mean, reciprocalDeviation: reciprocalDeviation)
  }

  /// Adds floats that belong to one block: the rest of a row, whole rows, the start of one.
  private func addWithinBlock(_ x: UnsafePointer<Float>, count: Int) {
    let span = rows.span
    let pass = Moments(
      x: x, origin: memory, sums: memory + span, squares: memory + 2 * span, span: span)
    var done = 0
    while done < count {
      let place = (added + done) % span
      if place == 0, count - done >= 4 * span {
        for place in stride(from: 0, to: span, by: 16) {
          pass.run(Lanes(start: place, count: 16), rows: 4, from: done)
        }
        done += 4 * span
        continue
      }
      let part = min(span - place, count - done)
      for lanes in vectors(part) { pass.run(lanes + place, rows: 1, from: done - place) }
      done += part
    }
  }
}
