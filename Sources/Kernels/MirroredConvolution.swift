// The same three functions with patches of the output in place of patches of the image, for
// stride 1. Patches of the side with fewer channels are smaller: the last layer of a decoder, from
// 64 channels to 3, gathers 27 floats per pixel and not 576. Geometry `m` is the mirror of `g`.

/// mirrored[c, j, i, o] = filter[kh - 1 - j, kw - 1 - i, c, o], so that it is [I, kh kw O].
private func mirror(
  _ g: ConvolutionGeometry, filter: UnsafePointer<Float>,
  into mirrored: UnsafeMutablePointer<Float>
) {
  let taps = g.kernelHeight * g.kernelWidth
  for tap in 0..<taps {
    for c in 0..<g.inputs {
      copy(
        g.outputs, filter + ((taps - 1 - tap) * g.inputs + c) * g.outputs,
        into: mirrored + (c * taps + tap) * g.outputs)
    }
  }
}

/// The output as a sum of what each image pixel gives to the windows it lies in.
func convolveByMirror(
  _ g: ConvolutionGeometry, _ m: ConvolutionGeometry, image: UnsafePointer<Float>,
  filter: UnsafePointer<Float>, bias: UnsafePointer<Float>?,
  into output: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  mirror(g, filter: filter, into: workspace)
  let rows = workspace + g.inputs * m.patch
  if let bias {
    for pixel in 0..<g.pixels { copy(g.outputs, bias, into: output + pixel * g.outputs) }
  } else {
    fill(count: g.pixels * g.outputs, with: 0, into: output)
  }
  eachBlock(m) { first, count in
    gemm(
      count, m.patch, g.inputs, image + first * g.inputs, leading: g.inputs,
      workspace, leading: m.patch, into: rows, leading: m.patch)
    scatterPatches(m, rows: rows, first: first, count: count, into: output)
  }
}

/// The image gradient as a convolution of the output gradient with the mirrored filter.
func convolveImageGradientByMirror(
  _ g: ConvolutionGeometry, _ m: ConvolutionGeometry, outputGradient: UnsafePointer<Float>,
  filter: UnsafePointer<Float>, into imageGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  mirror(g, filter: filter, into: workspace)
  let rows = workspace + g.inputs * m.patch
  eachBlock(m) { first, count in
    gatherPatches(m, image: outputGradient, first: first, count: count, into: rows)
    gemm(
      count, g.inputs, m.patch, rows, leading: m.patch, transposed: false,
      workspace, leading: m.patch, transposed: true,
      into: imageGradient + first * g.inputs, leading: g.inputs)
  }
}

/// Adds the filter gradient, gathered as image pixels times patches of the output gradient.
func addFilterGradientByMirror(
  _ g: ConvolutionGeometry, _ m: ConvolutionGeometry, outputGradient: UnsafePointer<Float>,
  image: UnsafePointer<Float>, into filterGradient: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>
) {
  let rows = workspace + g.inputs * m.patch
  fill(count: g.inputs * m.patch, with: 0, into: workspace)
  eachBlock(m) { first, count in
    gatherPatches(m, image: outputGradient, first: first, count: count, into: rows)
    gemm(
      g.inputs, m.patch, count, image + first * g.inputs, leading: g.inputs, transposed: true,
      rows, leading: m.patch, beta: 1, into: workspace, leading: m.patch)
  }
  let taps = g.kernelHeight * g.kernelWidth
  for tap in 0..<taps {
    for c in 0..<g.inputs {
      accumulate(
        count: g.outputs, workspace + (c * taps + tap) * g.outputs,
        into: filterGradient + ((taps - 1 - tap) * g.inputs + c) * g.outputs)
    }
  }
}
