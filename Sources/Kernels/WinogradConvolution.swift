import Forms

// The three convolution functions by Winograd's algorithm: per block of tiles the image is
// transformed, 36 matrix products stand in for the convolution, and the result is transformed
// back. The products are a quarter of the arithmetic of the direct form; relative errors in norm stay
// near 2e-6 or below, 3e-6 where the processor does not fuse multiplying and adding.
//
// Where weights change, the filter is transformed anew at each call. Where they stay, small filters are
// kept transformed; a large one would be four times the weights to read from memory, where the weights
// themselves are read and transformed as fast. Where a large filter meets few tiles, it is transformed and
// multiplied piece by piece, and its frequencies never leave the second cache.

extension WinogradTiles {
  /// The floats of scratch memory that any of the three functions needs.
  var workspace: Int {
    let tiles = min(Self.gradientBlock, count)
    return Self.scratchWords + filterWords
      + Frequencies.words(tiles: tiles, channels: inputs, run: stage)
      + Frequencies.words(tiles: tiles, channels: outputs)
  }

  /// The inputs that are summed before their sum goes on in memory.
  private var stage: Int { PackedMatrix(inner: inputs, columns: outputs).stage }

  /// Room for a 6x6 tile, or for 3x3 blocks of a filter.
  private static var scratchWords: Int { max(36, 9 * 16) * 16 }

  /// The floats of the transformed filter, or of the sums of its gradient.
  var filterWords: Int { 36 * frequencyStep }

  /// From frequency to frequency of the filter: a line more than the matrix takes, see `Frequencies`.
  private var frequencyStep: Int {
    FilterPiece.step(PackedMatrix(inner: inputs, columns: outputs))
  }

  /// The parts of the scratch memory.
  private func parts(_ workspace: UnsafeMutablePointer<Float>) -> (
    scratch: UnsafeMutablePointer<Float>, filter: UnsafeMutablePointer<Float>, v: Frequencies,
    m: Frequencies
  ) {
    let tiles = min(Self.gradientBlock, count)
    let filter = workspace + Self.scratchWords
    let v = filter + filterWords
    let m = v + Frequencies.words(tiles: tiles, channels: inputs, run: stage)
    return (
      workspace, filter, Frequencies(v, tiles: tiles, channels: inputs),
      Frequencies(m, tiles: tiles, channels: outputs)
    )
  }

  /// output = image convolved with filter `[3, 3, I, O]`, plus bias.
  ///
  /// With `mirrored` the filter is `[3, 3, O, I]`, and is turned by half with its channels swapped:
  /// so output gradients become image gradients.
  func convolve(
    image: UnsafePointer<Float>, filter: UnsafePointer<Float>, mirrored: Bool,
    bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
    workspace: UnsafeMutablePointer<Float>, share: WorkShare = .whole,
    shared: UnsafeMutablePointer<Float>? = nil
  ) {
    if meetsFewTiles {
      return convolveFewTiles(
        image: image, filter: filter, mirrored: mirrored, bias: bias, into: output,
        workspace: workspace, share: share, shared: shared ?? workspace)
    }
    let u = parts(shared ?? workspace).filter
    if share.includes(phase: 0) {
      if mirrored {
        precondition(share.count == 1, "a mirrored filter is transformed by one thread")
        transformMirrored(filter, into: whole(u), scratch: parts(workspace).scratch)
      } else {
        transform(filter, into: u, share: share)
      }
    }
    guard share.includes(phase: 1) else { return }
    convolve(
      image: image, transformed: u, bias: bias, into: output, workspace: workspace, share: share)
  }

  /// The same with a filter that is transformed.
  func convolve(
    image: UnsafePointer<Float>, transformed u: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
    into output: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>,
    share: WorkShare
  ) {
    let (scratch, _, v, m) = parts(workspace)
    let matrix = PackedMatrix(inner: inputs, columns: outputs)
    eachBlock(of: Self.block, in: share.range(of: count, unit: 2)) { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      for f in 0..<36 {
        matrix.multiply(
          rows: count, v[f], leading: v.leading, u + f * frequencyStep, into: m[f],
          leading: m.leading, inStages: true,
          next: f < 35 ? (UnsafePointer(v[f + 1]), u + (f + 1) * frequencyStep) : nil)
      }
      transformOutputs(
        m, 0..<outputs, first: first, count: count, bias: bias, into: output, scratch: scratch)
    }
  }

  /// Whether so few tiles meet so large a filter that it is better transformed piece by piece.
  ///
  /// Then its frequencies, four times the weights, need not be written to the third cache and read again.
  private var meetsFewTiles: Bool { count <= Self.fewTiles && filterWords > Self.smallFilter }

  /// The same sums in the same order: each piece is of some outputs and of the inputs of one stage.
  ///
  /// Shares transform some tiles in the first phase, and compute some outputs in the second.
  private func convolveFewTiles(
    image: UnsafePointer<Float>, filter: UnsafePointer<Float>, mirrored: Bool,
    bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
    workspace: UnsafeMutablePointer<Float>, share: WorkShare, shared: UnsafeMutablePointer<Float>
  ) {
    let (scratch, u, _, sums) = parts(workspace)
    let v = Frequencies(parts(shared).v.start, tiles: count, channels: inputs, run: stage)
    if share.includes(phase: 0) {
      let own = share.range(of: count)
      transformImages(
        image, first: own.lowerBound, count: own.count, into: v, at: own.lowerBound,
        scratch: scratch)
    }
    guard share.includes(phase: 1) else { return }
    // Few enough outputs for the second cache, and for each share to have some.
    let fair = (outputs / share.count + 15) & ~15
    let width = max(16, min(count > Self.block ? 32 : 64, fair))
    let own = share.range(of: outputs, unit: width)
    for first in stride(from: own.lowerBound, to: own.upperBound, by: width) {
      let columns = first..<min(first + width, own.upperBound)
      let m = Frequencies(sums.start, tiles: count, channels: columns.count)
      for start in stride(from: 0, to: inputs, by: stage) {
        let piece = FilterPiece(
          inputs: start..<min(start + stage, inputs), outputs: columns, start: u)
        if mirrored {
          transformMirrored(filter, into: piece, scratch: scratch)
        } else {
          transform(filter, into: piece, inputs: piece.inputs)
        }
        for f in 0..<36 {
          piece.matrix.multiply(
            rows: count, v[f] + v.offset(start), leading: v.leading, u + f * piece.step,
            into: m[f], leading: m.leading, accumulate: start > 0)
        }
      }
      transformOutputs(
        m, columns, first: 0, count: count, bias: bias, into: output, scratch: scratch)
    }
  }

  /// filterGradient += the gradient with respect to the filter; biasGradient += that of the bias.
  ///
  /// Per tile the adjoint of `A^T [U * V] A` gives `dU = V^T (A dy A^T)`, which is summed over
  /// 1024 tiles before one inverse transform `G^T dU G`; longer sums would round more. At the frequency
  /// (1, 1) A adds up all sixteen pixels of a tile: its sum over the tiles is the gradient of the bias.
  func addFilterGradient(
    outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
    into filterGradient: UnsafeMutablePointer<Float>,
    bias biasGradient: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let (scratch, u, v, m) = parts(workspace)
    eachBlock(of: Self.gradientBlock, in: 0..<count) { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      transformOutputGradients(
        outputGradient, first: first, count: count, into: m, scratch: scratch)
      for f in 0..<36 {
        multiplyTransposed(
          rows: inputs, columns: m.leading, terms: count, v[f], leading: v.leading, m[f],
          leading: m.leading, into: u + f * frequencyStep, leading: m.leading,
          accumulate: first % sumLength > 0,
          next: f < 35 ? (UnsafePointer(v[f + 1]), UnsafePointer(m[f + 1])) : nil)
      }
      if (first + count) % sumLength == 0 || first + count == self.count {
        addFilterAdjoint(u, leading: m.leading, into: filterGradient)
      }
      if let biasGradient {
        columnSums(
          rows: count, columns: outputs, leading: m.leading, of: m[7], into: biasGradient,
          accumulate: true)
      }
    }
  }

  /// Tiles whose filter gradients are summed as frequencies.
  private var sumLength: Int { 16 * Self.gradientBlock }

  /// U = G g G^T: filter `[3, 3, I, O]` to 36 packed matrices `[I, O]`.
  func transform(
    _ filter: UnsafePointer<Float>, into u: UnsafeMutablePointer<Float>, share: WorkShare = .whole
  ) {
    transform(filter, into: whole(u), inputs: share.range(of: inputs))
  }

  /// The whole filter as a piece.
  private func whole(_ u: UnsafeMutablePointer<Float>) -> FilterPiece {
    FilterPiece(inputs: 0..<inputs, outputs: 0..<outputs, start: u)
  }

  /// Some inputs of a piece of U.
  private func transform(
    _ filter: UnsafePointer<Float>, into piece: FilterPiece, inputs own: Range<Int>
  ) {
    let area = inputs * outputs
    for output in stride(from: piece.outputs.lowerBound, to: piece.outputs.upperBound, by: 16) {
      let lanes = min(16, outputs - output)
      for input in own {
        let taps = filter + (input * outputs + output)
        transformFilter(
          { i, j in load(taps + (3 * i + j) * area, lanes) }, into: piece.place(input, output))
      }
    }
  }

  /// A piece of U for a filter `[3, 3, O, I]`, turned by half, by blocks of 16 inputs and outputs.
  private func transformMirrored(
    _ filter: UnsafePointer<Float>, into piece: FilterPiece, scratch: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for output in stride(from: piece.outputs.lowerBound, to: piece.outputs.upperBound, by: 16) {
      for first in stride(from: piece.inputs.lowerBound, to: piece.inputs.upperBound, by: 16) {
        let count = min(16, piece.inputs.upperBound - first)
        for tap in 0..<9 {
          transpose(
            rows: min(16, outputs - output), columns: count,
            filter + ((8 - tap) * area + output * inputs + first), leading: inputs,
            into: scratch + tap * 16, leading: 9 * 16)
        }
        for k in 0..<count {
          let taps = UnsafePointer(scratch) + k * 9 * 16
          transformFilter(
            { i, j in taps.vector((3 &* i &+ j) &* 16) }, into: piece.place(first + k, output))
        }
      }
    }
  }

  /// filterGradient += G^T dU G: 36 matrices `[I, leading]` to taps `[3, 3, I, O]`.
  private func addFilterAdjoint(
    _ u: UnsafePointer<Float>, leading: Int, into filterGradient: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for input in 0..<inputs {
      for output in stride(from: 0, to: outputs, by: 16) {
        let lanes = min(16, outputs - output)
        let place = TilePlace(
          u + (input * leading + output), row: 6 * frequencyStep, column: frequencyStep)
        transformFilterGradient(place) { i, g in
          let target = filterGradient + (3 * i * area + input * outputs + output)
          add(g.0, to: target, lanes)
          add(g.1, to: target + area, lanes)
          add(g.2, to: target + 2 * area, lanes)
        }
      }
    }
  }
}

/// The 36 frequencies of some inputs and outputs of a filter, each a packed matrix.
private struct FilterPiece {
  let inputs, outputs: Range<Int>
  /// Where the first begins.
  let start: UnsafeMutablePointer<Float>

  var matrix: PackedMatrix { PackedMatrix(inner: inputs.count, columns: outputs.count) }
  /// From frequency to frequency.
  var step: Int { Self.step(matrix) }

  /// A line more than the matrix takes, see `Frequencies`.
  static func step(_ matrix: PackedMatrix) -> Int { matrix.words + 16 }

  /// Where the frequencies of an input and of 16 outputs lie.
  @inline(__always)
  func place(_ input: Int, _ output: Int) -> TilePlace<UnsafeMutablePointer<Float>> {
    let (offset, stride) = matrix.place(output - outputs.lowerBound)
    return TilePlace(
      start + (offset + (input - inputs.lowerBound) * stride), row: 6 * step, column: step)
  }
}

/// y += v in the first `lanes` floats.
@inline(__always)
private func add(_ v: Vector, to y: UnsafeMutablePointer<Float>, _ lanes: Int) {
  let place = Lanes(start: 0, count: lanes)
  y[place] = y[place] + v
}
