// The three convolution functions by Winograd's algorithm: per block of tiles the image is
// transformed, 36 matrix products stand in for the convolution, and the result is transformed
// back. The products are a quarter of the arithmetic of the direct form; relative errors in norm stay
// near 2e-6 or below.
//
// The filter is transformed anew at each call. Kept from call to call it would be four times the
// weights to read from memory, where the weights themselves are read and transformed as fast.

extension WinogradTiles {
  /// The floats of scratch memory that any of the three functions needs.
  var workspace: Int {
    let tiles = min(block, count)
    return Self.scratchWords + filterWords
      + Frequencies.words(tiles: tiles, channels: inputs)
      + Frequencies.words(tiles: tiles, channels: outputs)
  }

  /// Room for a 6x6 tile, or for 3x3 blocks of a filter.
  private static var scratchWords: Int { max(36, 9 * 16) * 16 }

  /// The floats of the transformed filter, or of the sums of its gradient.
  private var filterWords: Int { 36 * frequencyStep }

  /// From frequency to frequency of the filter: a line more than the matrix takes, see `Frequencies`.
  private var frequencyStep: Int { PackedMatrix(inner: inputs, columns: outputs).words + 16 }

  /// The parts of the scratch memory.
  private func parts(_ workspace: UnsafeMutablePointer<Float>) -> (
    scratch: UnsafeMutablePointer<Float>, filter: UnsafeMutablePointer<Float>, v: Frequencies,
    m: Frequencies
  ) {
    let tiles = min(block, count)
    let filter = workspace + Self.scratchWords
    let v = filter + filterWords
    let m = v + Frequencies.words(tiles: tiles, channels: inputs)
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
    workspace: UnsafeMutablePointer<Float>
  ) {
    let (scratch, u, v, m) = parts(workspace)
    let matrix = PackedMatrix(inner: inputs, columns: outputs)
    if mirrored {
      transformMirrored(filter, matrix, into: u, scratch: scratch)
    } else {
      transform(filter, matrix, into: u)
    }
    eachBlock { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      for f in 0..<36 {
        matrix.multiply(
          rows: count, v[f], leading: v.leading, u + f * frequencyStep, into: m[f],
          leading: m.leading, inStages: true)
      }
      transformOutputs(
        m, first: first, count: count, bias: bias, into: output, scratch: scratch)
    }
  }

  /// filterGradient += the gradient with respect to the filter; biasGradient += that of the bias.
  ///
  /// Per tile the adjoint of `A^T [U * V] A` gives `dU = V^T (A dy A^T)`, which is summed over
  /// 1024 tiles before one inverse transform `G^T dU G`; longer sums would round more. At the frequency (1, 1) A adds up all sixteen
  /// pixels of a tile: its sum over the tiles is the gradient of the bias.
  func addFilterGradient(
    outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
    into filterGradient: UnsafeMutablePointer<Float>,
    bias biasGradient: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let (scratch, u, v, m) = parts(workspace)
    eachBlock { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      transformOutputGradients(
        outputGradient, first: first, count: count, into: m, scratch: scratch)
      for f in 0..<36 {
        multiplyTransposed(
          rows: inputs, columns: m.leading, terms: count, v[f], leading: v.leading, m[f],
          leading: m.leading, into: u + f * frequencyStep, leading: m.leading,
          accumulate: first % sumLength > 0)
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
  private var sumLength: Int { 16 * block }

  /// U = G g G^T: filter `[3, 3, I, O]` to 36 packed matrices `[I, O]`.
  private func transform(
    _ filter: UnsafePointer<Float>, _ matrix: PackedMatrix, into u: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for output in stride(from: 0, to: outputs, by: 16) {
      let lanes = min(16, outputs - output)
      let (offset, stride) = matrix.place(output)
      for input in 0..<inputs {
        let taps = filter + (input * outputs + output)
        transformFilter(
          { i, j in load(taps + (3 * i + j) * area, lanes) },
          into: place(u + (offset + input * stride)))
      }
    }
  }

  /// The same for a filter `[3, 3, O, I]`, turned by half, by blocks of 16 inputs and outputs.
  private func transformMirrored(
    _ filter: UnsafePointer<Float>, _ matrix: PackedMatrix, into u: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for output in stride(from: 0, to: outputs, by: 16) {
      let (offset, stride) = matrix.place(output)
      for first in Swift.stride(from: 0, to: inputs, by: 16) {
        let count = min(16, inputs - first)
        for tap in 0..<9 {
          let block = transposedBlock(
            rows: min(16, outputs - output), columns: count,
            filter + ((8 - tap) * area + output * inputs + first), leading: inputs)
          for k in 0..<count { scratch.store(block[unchecked: k], at: (k * 9 + tap) * 16) }
        }
        for k in 0..<count {
          let taps = UnsafePointer(scratch) + k * 9 * 16
          transformFilter(
            { i, j in taps.vector((3 &* i &+ j) &* 16) },
            into: place(u + (offset + (first + k) * stride)))
        }
      }
    }
  }

  /// Where the 36 frequencies of a vector of the filter lie.
  @inline(__always)
  private func place<Pointer>(_ start: Pointer) -> TilePlace<Pointer> {
    TilePlace(start, row: 6 * frequencyStep, column: frequencyStep)
  }

  /// filterGradient += G^T dU G: 36 matrices `[I, leading]` to taps `[3, 3, I, O]`.
  private func addFilterAdjoint(
    _ u: UnsafePointer<Float>, leading: Int, into filterGradient: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for input in 0..<inputs {
      for output in stride(from: 0, to: outputs, by: 16) {
        let lanes = min(16, outputs - output)
        transformFilterGradient(place(u + (input * leading + output))) { i, g in
          let target = filterGradient + (3 * i * area + input * outputs + output)
          add(g.0, to: target, lanes)
          add(g.1, to: target + area, lanes)
          add(g.2, to: target + 2 * area, lanes)
        }
      }
    }
  }
}

/// y += v in the first `lanes` floats.
@inline(__always)
private func add(_ v: Vector, to y: UnsafeMutablePointer<Float>, _ lanes: Int) {
  let place = Lanes(start: 0, count: lanes)
  y[place] = y[place] + v
}
