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
    return winogradConvolve(
      tiles, inputs: g.inputs, outputs: g.outputs, image: image, filter: filter, mirrored: false,
      bias: bias, into: output, workspace: workspace)
  }
  if let mirror = g.mirror, !g.isPointwise, 4 * g.outputs <= g.inputs {
    return convolveByMirror(
      g, mirror, image: image, filter: filter, bias: bias, into: output, workspace: workspace)
  }
  eachBlock(g) { first, count in
    let y = output + first * g.outputs
    var patches = image + first * g.patch
    if !g.isPointwise {
      gatherPatches(g, image: image, first: first, count: count, into: workspace)
      patches = UnsafePointer(workspace)
    }
    if let bias { for row in 0..<count { copy(g.outputs, bias, into: y + row * g.outputs) } }
    gemm(
      count, g.outputs, g.patch, patches, leading: g.patch, filter, leading: g.outputs,
      beta: bias == nil ? 0 : 1, into: y, leading: g.outputs)
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
    return winogradConvolve(
      tiles, inputs: g.outputs, outputs: g.inputs, image: outputGradient, filter: filter,
      mirrored: true, bias: nil, into: imageGradient, workspace: workspace)
  }
  // Mirroring costs a copy of the filter, which many pixels repay.
  if let mirror = g.mirror, !g.isPointwise, g.outputs <= g.inputs, 4 * g.outputs <= g.pixels {
    return convolveImageGradientByMirror(
      g, mirror, outputGradient: outputGradient, filter: filter, into: imageGradient,
      workspace: workspace)
  }
  if !g.isPointwise {
    fill(count: g.batch * g.height * g.width * g.inputs, with: 0, into: imageGradient)
  }
  eachBlock(g) { first, count in
    gemm(
      count, g.patch, g.outputs, outputGradient + first * g.outputs, leading: g.outputs,
      transposed: false, filter, leading: g.outputs, transposed: true,
      into: g.isPointwise ? imageGradient + first * g.patch : workspace, leading: g.patch)
    if !g.isPointwise {
      scatterPatches(g, rows: workspace, first: first, count: count, into: imageGradient)
    }
  }
}

/// filterGradient = the gradient with respect to the filter, given that of the output.
///
/// Overwrites, or adds with `accumulate`.
/// filterGradient[j, i, c, o] is the sum over n, v, u of
/// image[n, v s + j - top, u s + i - left, c] outputGradient[n, v, u, o].
public func convolveFilterGradient(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
  into filterGradient: UnsafeMutablePointer<Float>, accumulate: Bool,
  workspace: UnsafeMutablePointer<Float>
) {
  if !accumulate { fill(count: g.patch * g.outputs, with: 0, into: filterGradient) }
  if let tiles = WinogradTiles(g) {
    return winogradAddFilterGradient(
      tiles, inputs: g.inputs, outputs: g.outputs, outputGradient: outputGradient, image: image,
      into: filterGradient, workspace: workspace)
  }
  if let mirror = g.mirror, !g.isPointwise, 2 * g.outputs <= g.inputs {
    return addFilterGradientByMirror(
      g, mirror, outputGradient: outputGradient, image: image, into: filterGradient,
      workspace: workspace)
  }
  eachBlock(g) { first, count in
    var patches = image + first * g.patch
    if !g.isPointwise {
      gatherPatches(g, image: image, first: first, count: count, into: workspace)
      patches = UnsafePointer(workspace)
    }
    gemm(
      g.patch, g.outputs, count, patches, leading: g.patch, transposed: true,
      outputGradient + first * g.outputs, leading: g.outputs,
      beta: 1, into: filterGradient, leading: g.outputs)
  }
}

/// Calls `body` with the first output pixel and the number of pixels of each block in turn.
@inline(__always)
func eachBlock(_ g: ConvolutionGeometry, _ body: (_ first: Int, _ count: Int) -> Void) {
  let pixels = g.pixels
  let block = g.block
  var first = 0
  while first < pixels {
    body(first, min(block, pixels - first))
    first += block
  }
}
