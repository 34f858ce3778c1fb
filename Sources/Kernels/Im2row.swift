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
