/// output[n, v, u, o] = bias[o] + the sum over j, i, c of
/// image[n, v s + j - top, u s + i - left, c] filter[j, i, c, o], zero outside the image.
///
/// image [N, H, W, I], filter [kh, kw, I, O], bias [O] or none, output [N, H', W', O].
public func convolve(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  if let tiles = WinogradTiles(g) {
    tiles.convolve(
      image: image, filter: filter, mirrored: false, bias: bias, into: output,
      workspace: workspace)
  } else {
    convolveByPatches(
      g, image: image, filter: filter, bias: bias, into: output, workspace: workspace)
  }
}

/// imageGradient = the gradient with respect to the image, given that of the output; overwrites.
///
/// imageGradient[n, v s + j - top, u s + i - left, c] collects
/// outputGradient[n, v, u, o] filter[j, i, c, o] over all v, u, j, i, o.
public func convolveImageGradient(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  into imageGradient: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  if let mirror = g.mirror, let tiles = WinogradTiles(mirror) {
    tiles.convolve(
      image: outputGradient, filter: filter, mirrored: true, bias: nil, into: imageGradient,
      workspace: workspace)
  } else {
    convolveImageGradientByPatches(
      g, outputGradient: outputGradient, filter: filter, into: imageGradient,
      workspace: workspace)
  }
}

/// filterGradient = the gradient with respect to the filter, given that of the output, and
/// biasGradient = that with respect to the bias, if it is wanted.
///
/// Each overwrites, or adds where told to accumulate.
/// filterGradient[j, i, c, o] is the sum over n, v, u of
/// image[n, v s + j - top, u s + i - left, c] outputGradient[n, v, u, o]; biasGradient[o] is that
/// of outputGradient[n, v, u, o].
public func convolveFilterGradient(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
  into filterGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  bias biasGradient: UnsafeMutablePointer<Float>? = nil, accumulateBias: Bool = false,
  workspace: UnsafeMutablePointer<Float>
) {
  if !accumulate { fill(count: g.patch * g.outputs, with: 0, into: filterGradient) }
  if !accumulateBias, let biasGradient { fill(count: g.outputs, with: 0, into: biasGradient) }
  if let tiles = WinogradTiles(g) {
    tiles.addFilterGradient(
      outputGradient: outputGradient, image: image, into: filterGradient, bias: biasGradient,
      workspace: workspace)
  } else {
    addFilterGradientByPatches(
      g, outputGradient: outputGradient, image: image, into: filterGradient,
      workspace: workspace)
    if let biasGradient {
      columnSums(
        rows: g.pixels, columns: g.outputs, of: outputGradient, into: biasGradient,
        accumulate: true)
    }
  }
}
