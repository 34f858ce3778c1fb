// The three convolution functions by Winograd's algorithm: per block of tiles the image is
// transformed, 36 matrix products stand in for the convolution, and the result is transformed
// back. The products are a quarter of the arithmetic of the direct form; relative errors stay
// near 4e-7.
//
// The filter is transformed anew at each call. Kept from call to call it would be four times the
// weights to read from memory, where the weights themselves are read and transformed as fast.

extension WinogradTiles {
  /// The floats of scratch memory that any of the three functions needs.
  var workspace: Int {
    let tiles = min(block, count)
    return 36 * 16 + 9 * inputs * outputs + filterWords
      + Frequencies.words(tiles: tiles, channels: inputs)
      + Frequencies.words(tiles: tiles, channels: outputs)
  }

  /// The floats of the transformed filter, for products or as sums of its gradient.
  private var filterWords: Int {
    36 * max(
      PackedMatrix(inner: inputs, columns: outputs).words,
      PackedMatrix(inner: outputs, columns: inputs).words)
  }

  /// The parts of the scratch memory.
  private func parts(_ workspace: UnsafeMutablePointer<Float>) -> (
    scratch: UnsafeMutablePointer<Float>, mirror: UnsafeMutablePointer<Float>,
    filter: UnsafeMutablePointer<Float>, v: Frequencies, m: Frequencies
  ) {
    let tiles = min(block, count)
    let mirror = workspace + 36 * 16
    let filter = mirror + 9 * inputs * outputs
    let v = filter + filterWords
    let m = v + Frequencies.words(tiles: tiles, channels: inputs)
    return (
      workspace, mirror, filter, Frequencies(v, tiles: tiles, channels: inputs),
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
    let (scratch, mirror, u, v, m) = parts(workspace)
    let matrix = PackedMatrix(inner: inputs, columns: outputs)
    if mirrored { self.mirror(filter, into: mirror) }
    transform(filter: mirrored ? UnsafePointer(mirror) : filter, matrix, into: u)
    eachBlock { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      for f in 0..<36 {
        matrix.multiply(
          rows: count, v[f], leading: v.leading, u + f * matrix.words, into: m[f],
          leading: m.leading)
      }
      transformOutputs(m, first: first, count: count, bias: bias, into: output)
    }
  }

  /// filterGradient += the gradient with respect to the filter; biasGradient += that of the bias.
  ///
  /// Per tile the adjoint of `A^T [U * V] A` gives `dU = V^T (A dy A^T)`, which is summed over all
  /// tiles before one inverse transform `G^T dU G`. At the frequency (1, 1) A adds up all sixteen
  /// pixels of a tile: its sum over the tiles is the gradient of the bias.
  func addFilterGradient(
    outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
    into filterGradient: UnsafeMutablePointer<Float>, bias biasGradient: UnsafeMutablePointer<Float>?,
    workspace: UnsafeMutablePointer<Float>
  ) {
    let (scratch, _, u, v, m) = parts(workspace)
    let step = inputs * m.leading
    eachBlock { first, count in
      transformImages(image, first: first, count: count, into: v, scratch: scratch)
      transformOutputGradients(
        outputGradient, first: first, count: count, into: m, scratch: scratch)
      for f in 0..<36 {
        multiplyTransposed(
          rows: inputs, columns: m.leading, terms: count, v[f], leading: v.leading, m[f],
          leading: m.leading, into: u + f * step, leading: m.leading, accumulate: first > 0)
      }
      if let biasGradient {
        columnSums(
          rows: count, columns: outputs, leading: m.leading, of: m[7], into: biasGradient,
          accumulate: true)
      }
    }
    addFilterAdjoint(u, leading: m.leading, into: filterGradient)
  }

  /// U = G g G^T: filter `[3, 3, I, O]` to 36 packed matrices `[I, O]`.
  private func transform(
    filter: UnsafePointer<Float>, _ matrix: PackedMatrix, into u: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for output in stride(from: 0, to: outputs, by: 16) {
      let lanes = min(16, outputs - output)
      let (offset, stride) = matrix.place(output)
      for input in 0..<inputs {
        let taps = filter + (input * outputs + output)
        transformFilter(
          { i, j in load(taps + (3 * i + j) * area, lanes) },
          into: TilePlace(
            u + (offset + input * stride), row: 6 * matrix.words, column: matrix.words))
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
        let source = TilePlace(
          u + (input * leading + output), row: 6 * inputs * leading, column: inputs * leading)
        transformFilterGradient(source) { i, g in
          let target = filterGradient + (3 * i * area + input * outputs + output)
          add(g.0, to: target, lanes)
          add(g.1, to: target + area, lanes)
          add(g.2, to: target + 2 * area, lanes)
        }
      }
    }
  }

  /// mirrored[j, i, c, o] = filter[2 - j, 2 - i, o, c], for filter `[3, 3, O, I]`.
  private func mirror(
    _ filter: UnsafePointer<Float>, into mirrored: UnsafeMutablePointer<Float>
  ) {
    let area = inputs * outputs
    for tap in 0..<9 {
      transpose(
        rows: outputs, columns: inputs, filter + (8 - tap) * area, into: mirrored + tap * area)
    }
  }
}

/// y += v in the first `lanes` floats.
@inline(__always)
func add(_ v: Vector, to y: UnsafeMutablePointer<Float>, _ lanes: Int) {
  if lanes == 16 {
    y.store(y.vector(0) + v, at: 0)
  } else {
    for k in 0..<lanes { y[k] += v[k] }
  }
}
