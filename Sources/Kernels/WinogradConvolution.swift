// The three convolution functions by Winograd's algorithm: per block of tiles the image is
// transformed, 36 matrix products stand in for the convolution, and the result is transformed
// back. The products are a quarter of the arithmetic of the direct form; relative errors stay
// near 4e-7.

/// The floats of scratch memory that any of the three functions needs.
func winogradWorkspace(_ tiles: WinogradTiles, inputs: Int, outputs: Int) -> Int {
  288 + 36 * (inputs * outputs + min(tiles.block, tiles.count) * (inputs + outputs))
}

/// output = image convolved with filter, plus bias.
///
/// With `mirrored` the filter `[3, 3, O, I]` is turned by half and its channels are swapped: then
/// output gradients become image gradients.
func winogradConvolve(
  _ tiles: WinogradTiles, inputs: Int, outputs: Int, image: UnsafePointer<Float>,
  filter: UnsafePointer<Float>, mirrored: Bool, bias: UnsafePointer<Float>?,
  into output: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  let block = min(tiles.block, tiles.count)
  let scratch = workspace
  let u = scratch + 288
  let v = u + 36 * inputs * outputs
  let m = v + 36 * block * inputs
  transformFilter(
    filter, inputs: inputs, outputs: outputs, mirrored: mirrored, into: u, scratch: scratch)
  tiles.eachBlock { first, count in
    tiles.transformImage(
      image, channels: inputs, first: first, count: count, into: v, scratch: scratch)
    for f in 0..<36 {
      gemm(
        count, outputs, inputs, v + f * count * inputs, leading: inputs, u + f * inputs * outputs,
        leading: outputs, into: m + f * count * outputs, leading: outputs)
    }
    tiles.transformOutput(
      m, channels: outputs, first: first, count: count, bias: bias, into: output,
      scratch: scratch)
  }
}

/// filterGradient += the gradient with respect to the filter.
///
/// Per tile the adjoint of `A^T [U * V] A` gives `dU = V^T (A dy A^T)`, which is summed over all
/// tiles before one inverse transform `G^T dU G`.
func winogradAddFilterGradient(
  _ tiles: WinogradTiles, inputs: Int, outputs: Int, outputGradient: UnsafePointer<Float>,
  image: UnsafePointer<Float>, into filterGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let block = min(tiles.block, tiles.count)
  let scratch = workspace
  let u = scratch + 288
  let v = u + 36 * inputs * outputs
  let m = v + 36 * block * inputs
  tiles.eachBlock { first, count in
    tiles.transformImage(
      image, channels: inputs, first: first, count: count, into: v, scratch: scratch)
    tiles.transformOutputGradient(
      outputGradient, channels: outputs, first: first, count: count, into: m, scratch: scratch)
    for f in 0..<36 {
      gemm(
        inputs, outputs, count, v + f * count * inputs, leading: inputs, transposed: true,
        m + f * count * outputs, leading: outputs, beta: first == 0 ? 0 : 1,
        into: u + f * inputs * outputs, leading: outputs)
    }
  }
  addFilterAdjoint(
    u, inputs: inputs, outputs: outputs, into: filterGradient, scratch: scratch)
}

/// U = G g G^T: filter `[3, 3, I, O]` to frequencies `[36, I, O]`.
private func transformFilter(
  _ filter: UnsafePointer<Float>, inputs: Int, outputs: Int, mirrored: Bool,
  into u: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
) {
  let area = inputs * outputs
  for input in 0..<inputs {
    for output in stride(from: 0, to: outputs, by: 8) {
      /// Eight output channels of one tap.
      @inline(__always) func tap(_ i: Int, _ j: Int) -> SIMD8<Float> {
        if !mirrored { return (filter + (i * 3 + j) * area + input * outputs).vector(output) }
        let tap = filter + (8 - i * 3 - j) * area + input
        var g = SIMD8<Float>.zero
        for lane in 0..<8 { g[lane] = tap[(output + lane) * inputs] }
        return g
      }
      for j in 0..<3 {
        storeColumn(filterTransform((tap(0, j), tap(1, j), tap(2, j))), j, in: scratch)
      }
      for i in 0..<6 {
        let line = scratch + i * 48
        let m = filterTransform((line.vector(0), line.vector(8), line.vector(16)))
        store(m, into: u + i * 6 * area + input * outputs + output, step: area)
      }
    }
  }
}

/// filterGradient += G^T dU G: frequencies `[36, I, O]` to taps `[3, 3, I, O]`.
private func addFilterAdjoint(
  _ u: UnsafePointer<Float>, inputs: Int, outputs: Int,
  into filterGradient: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
) {
  let area = inputs * outputs
  for place in stride(from: 0, to: area, by: 8) {
    for j in 0..<6 {
      let m = u + j * area + place
      let g = filterAdjoint(
        (
          m.vector(0), m.vector(6 * area), m.vector(12 * area), m.vector(18 * area),
          m.vector(24 * area), m.vector(30 * area)
        ))
      scratch.store(g.0, at: j * 8)
      scratch.store(g.1, at: 48 + j * 8)
      scratch.store(g.2, at: 96 + j * 8)
    }
    for i in 0..<3 {
      let line = scratch + i * 48
      let g = filterAdjoint(
        (
          line.vector(0), line.vector(8), line.vector(16), line.vector(24), line.vector(32),
          line.vector(40)
        ))
      let target = filterGradient + i * 3 * area + place
      target.store(target.vector(0) + g.0, at: 0)
      target.store(target.vector(area) + g.1, at: area)
      target.store(target.vector(2 * area) + g.2, at: 2 * area)
    }
  }
}
