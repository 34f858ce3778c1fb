import Forms

// The three convolution functions as products with the matrix of patches `[pixels, kh kw I]`: any
// filter, stride and padding. The patches of a block of pixels are gathered at a time. For a 1x1
// filter with stride 1 the image is that matrix as it stands.

/// The scratch memory of a convolution by patches.
struct PatchWorkspace {
  /// The filter as a matrix `[kh kw I, O]`, and its transpose, packed.
  let filter, transposed: PackedMatrix
  /// Pixels at a time.
  let block: Int
  /// The floats of one row of patches, and of one of outputs, in whole vectors.
  let patch, outputs: Int

  init(_ g: ConvolutionGeometry) {
    filter = PackedMatrix(inner: g.patch, columns: g.outputs)
    transposed = PackedMatrix(inner: g.outputs, columns: g.patch)
    block = min(g.block, g.pixels)
    (patch, outputs) = (transposed.paddedColumns, filter.paddedColumns)
  }

  /// The product that the filter gradient is.
  var gradient: TransposedProduct { TransposedProduct(rows: transposed.columns, columns: outputs) }

  /// The packed filter or the filter gradient, then patches, then outputs, then what the product for the
  /// filter gradient needs.
  var words: Int { filterWords + block * (patch + outputs) + gradient.words }

  private var filterWords: Int { max(filter.words, transposed.words) }

  /// The parts of the scratch memory.
  func parts(_ workspace: UnsafeMutablePointer<Float>) -> (
    filter: UnsafeMutablePointer<Float>, patches: UnsafeMutablePointer<Float>,
    outputs: UnsafeMutablePointer<Float>, gradient: UnsafeMutablePointer<Float>
  ) {
    let patches = workspace + filterWords
    let rows = patches + block * patch
    return (workspace, patches, rows, rows + block * outputs)
  }
}

/// See `convolve`.
func convolveByPatches(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, share: WorkShare
) {
  let packed = PatchWorkspace(g).parts(workspace).filter
  PatchWorkspace(g).filter.pack(filter, into: packed)
  convolveByPatches(
    g, image: image, packed: packed, bias: bias, into: output, workspace: workspace, share: share)
}

/// The same with a filter that is packed.
func convolveByPatches(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, packed: UnsafePointer<Float>,
  bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
  workspace: UnsafeMutablePointer<Float>, share: WorkShare
) {
  let sizes = PatchWorkspace(g)
  let (_, patches, rows, _) = sizes.parts(workspace)
  let isDirect = sizes.outputs == g.outputs
  let own = share.range(of: g.pixels, unit: 2)
  eachBlock(g, own, isWhole: g.isPointwise && isDirect) { first, count in
    let y = output + first * g.outputs
    sizes.filter.multiply(
      rows: count, gathered(g, image, first: first, count: count, patches), leading: g.patch,
      packed, into: isDirect ? y : rows, leading: sizes.outputs,
      startingAt: isDirect ? bias : nil)
    if !isDirect {
      for row in 0..<count {
        let target = y + row * g.outputs
        copy(g.outputs, rows + row * sizes.outputs, into: target)
        if let bias { accumulate(count: g.outputs, bias, into: target) }
      }
    }
  }
}

/// See `convolveImageGradient`.
func convolveImageGradientByPatches(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, filter: UnsafePointer<Float>,
  into imageGradient: UnsafeMutablePointer<Float>, workspace: UnsafeMutablePointer<Float>
) {
  let sizes = PatchWorkspace(g)
  let (packed, patches, _, _) = sizes.parts(workspace)
  sizes.transposed.packTransposed(filter, into: packed)
  if !g.isPointwise {
    fill(count: g.batch * g.height * g.width * g.inputs, with: 0, into: imageGradient)
  }
  let isDirect = g.isPointwise && sizes.patch == g.patch
  eachBlock(g, 0..<g.pixels, isWhole: isDirect) { first, count in
    sizes.transposed.multiply(
      rows: count, outputGradient + first * g.outputs, leading: g.outputs, packed,
      into: isDirect ? imageGradient + first * g.patch : patches, leading: sizes.patch)
    if g.isPointwise && !isDirect {
      for row in 0..<count {
        copy(
          g.patch, patches + row * sizes.patch, into: imageGradient + (first + row) * g.patch)
      }
    } else if !g.isPointwise {
      scatterPatches(
        g, rows: patches, leading: sizes.patch, first: first, count: count, into: imageGradient)
    }
  }
}

/// Adds the gradients of filter and bias, see `convolveFilterGradient`.
func addFilterGradientByPatches(
  _ g: ConvolutionGeometry, outputGradient: UnsafePointer<Float>, image: UnsafePointer<Float>,
  into filterGradient: UnsafeMutablePointer<Float>, bias biasGradient: UnsafeMutablePointer<Float>?,
  workspace: UnsafeMutablePointer<Float>
) {
  let sizes = PatchWorkspace(g)
  let (sums, patches, rows, scratch) = sizes.parts(workspace)
  let isDirect = sizes.outputs == g.outputs
  let product = sizes.gradient
  if !isDirect { fill(count: g.patch * sizes.outputs, with: 0, into: sums) }
  eachBlock(g, 0..<g.pixels, isWhole: g.isPointwise && isDirect) { first, count in
    let dy = outputGradient + first * g.outputs
    if !isDirect {
      // What fills up the rows is whatever was there: its columns of the sums are left out below.
      for row in 0..<count {
        copy(g.outputs, dy + row * g.outputs, into: rows + row * sizes.outputs)
      }
    }
    product.add(
      terms: count, gathered(g, image, first: first, count: count, patches),
      isDirect ? dy : UnsafePointer(rows), to: isDirect ? filterGradient : sums,
      sums: biasGradient, summed: g.outputs, workspace: scratch)
  }
  if !isDirect && g.pixels > 0 {
    for row in 0..<g.patch {
      accumulate(
        count: g.outputs, sums + row * sizes.outputs, into: filterGradient + row * g.outputs)
    }
  }
}

/// The patches of a block of pixels: gathered, or the image itself.
@inline(__always)
private func gathered(
  _ g: ConvolutionGeometry, _ image: UnsafePointer<Float>, first: Int, count: Int,
  _ patches: UnsafeMutablePointer<Float>
) -> UnsafePointer<Float> {
  if g.isPointwise { return image + first * g.patch }
  gatherPatches(g, image: image, first: first, count: count, into: patches)
  return UnsafePointer(patches)
}

/// Calls `body` with the first output pixel and the number of pixels of each block of some pixels in turn,
/// or of all of them where nothing is gathered or copied.
@inline(__always)
private func eachBlock(
  _ g: ConvolutionGeometry, _ pixels: Range<Int>, isWhole: Bool,
  _ body: (_ first: Int, _ count: Int) -> Void
) {
  let block = isWhole ? max(pixels.count, 1) : g.block
  var first = pixels.lowerBound
  while first < pixels.upperBound {
    body(first, min(block, pixels.upperBound - first))
    first += block
  }
}

// MARK: - Gathering patches

/// Copies the windows of output pixels `first ..< first + count` into rows [count, kh kw I].
///
/// Pixels are counted over the whole batch, row by row. What lies outside the image is zero.
func gatherPatches(
  _ g: ConvolutionGeometry, image: UnsafePointer<Float>, first: Int, count: Int,
  into rows: UnsafeMutablePointer<Float>
) {
  let row = g.kernelWidth * g.inputs
  var row0 = rows
  eachWindow(g, first: first, count: count) { image0, y, x in
    let low = max(0, min(g.kernelWidth, -x))
    let high = max(low, min(g.kernelWidth, g.width - x))
    for ky in 0..<g.kernelHeight {
      if y + ky < 0 || y + ky >= g.height || low == high {
        zero(row, row0)
      } else {
        zero(low * g.inputs, row0)
        let from = image + (image0 + (y + ky) * g.width + x + low) * g.inputs
        copy((high - low) * g.inputs, from, into: row0 + low * g.inputs)
        zero((g.kernelWidth - high) * g.inputs, row0 + high * g.inputs)
      }
      row0 += row
    }
  }
}

/// Adds rows [count, kh kw I], `leading` floats apart, to the windows they belong to: the adjoint
/// of `gatherPatches`.
func scatterPatches(
  _ g: ConvolutionGeometry, rows: UnsafePointer<Float>, leading: Int, first: Int, count: Int,
  into image: UnsafeMutablePointer<Float>
) {
  let row = g.kernelWidth * g.inputs
  var row0 = rows
  eachWindow(g, first: first, count: count) { image0, y, x in
    let low = max(0, min(g.kernelWidth, -x))
    let high = max(low, min(g.kernelWidth, g.width - x))
    for ky in 0..<g.kernelHeight {
      if y + ky >= 0 && y + ky < g.height && low < high {
        let to = image + (image0 + (y + ky) * g.width + x + low) * g.inputs
        accumulate(count: (high - low) * g.inputs, row0 + low * g.inputs, into: to)
      }
      row0 += row
    }
    row0 += leading - g.patch
  }
}

/// Calls `body` with the first pixel of the image and the window's top left corner in it, which
/// may lie outside, for each output pixel in turn.
@inline(__always)
private func eachWindow(
  _ g: ConvolutionGeometry, first: Int, count: Int,
  _ body: (_ image: Int, _ y: Int, _ x: Int) -> Void
) {
  let width = g.outputWidth
  let height = g.outputHeight
  var u = first % width
  var v = first / width % height
  var image = first / (width * height)
  for _ in 0..<count {
    body(image * g.height * g.width, v * g.stride - g.top, u * g.stride - g.left)
    u += 1
    if u == width {
      u = 0
      v += 1
      if v == height {
        v = 0
        image += 1
      }
    }
  }
}

@inline(__always)
private func zero(_ count: Int, _ y: UnsafeMutablePointer<Float>) {
  var i = 0
  while i &+ 16 <= count {
    y.store(SIMD16<Float>.zero, at: i)
    i &+= 16
  }
  while i < count {
    y[i] = 0
    i &+= 1
  }
}
