/// How a 3x3 convolution of stride 1 is cut into tiles of 4x4 outputs.
///
/// Tiles at the right and bottom edge may reach beyond the output; what is beyond is zero when
/// read and left out when written.
struct WinogradTiles {
  /// Images, and the extents of image and output.
  let batch, height, width, outputHeight, outputWidth: Int
  /// Zeros above and left of the image.
  let top, left: Int
  /// Tiles that are transformed and multiplied at a time.
  let block: Int

  /// The tiles of a convolution, if it is one that Winograd's algorithm serves: 3x3, stride 1, and
  /// whole vectors of channels, enough of them that products outweigh transforms.
  init?(_ g: ConvolutionGeometry) {
    guard g.kernelHeight == 3, g.kernelWidth == 3, g.stride == 1, g.inputs % 8 == 0,
      g.outputs % 8 == 0, min(g.inputs, g.outputs) >= 16, g.pixels > 0
    else { return nil }
    (batch, height, width) = (g.batch, g.height, g.width)
    (outputHeight, outputWidth) = (g.outputHeight, g.outputWidth)
    (top, left) = (g.top, g.left)
    // Transformed tiles of both sides share a second cache of 512 KiB while channels are few;
    // where they are many, the products need 48 rows to repay BLAS for packing the filter.
    block = min(128, max(48, 4096 / (g.inputs + g.outputs))) & ~7
    guard count >= 16 else { return nil }
  }

  /// Tiles from top to bottom of one image.
  var rows: Int { (outputHeight + 3) / 4 }
  /// Tiles from left to right of one image.
  var columns: Int { (outputWidth + 3) / 4 }
  /// All tiles.
  var count: Int { batch * rows * columns }

  /// Image, and first output row and column, of a tile.
  @inline(__always)
  func place(_ tile: Int) -> (image: Int, row: Int, column: Int) {
    let (image, rest) = tile.quotientAndRemainder(dividingBy: rows * columns)
    let (row, column) = rest.quotientAndRemainder(dividingBy: columns)
    return (image, row * 4, column * 4)
  }

  /// Calls `body` with the first tile and the number of tiles of each block in turn.
  @inline(__always)
  func eachBlock(_ body: (_ first: Int, _ count: Int) -> Void) {
    var first = 0
    while first < count {
      body(first, min(block, count - first))
      first += block
    }
  }

  /// V = B^T d B of some tiles: image `[N, H, W, C]` to frequencies `[36, tiles, C]`.
  func transformImage(
    _ image: UnsafePointer<Float>, channels: Int, first: Int, count tiles: Int,
    into frequencies: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    for tile in 0..<tiles {
      let (n, outputRow, outputColumn) = place(first + tile)
      let (row, column) = (outputRow - top, outputColumn - left)
      let corner = image + ((n * height + row) * width + column) * channels
      let isInside = row >= 0 && column >= 0 && row + 6 <= height && column + 6 <= width
      let step = width * channels
      for channel in stride(from: 0, to: channels, by: 8) {
        for j in 0..<6 {
          let source = corner + j * channels + channel
          var d: Six = (.zero, .zero, .zero, .zero, .zero, .zero)
          if isInside {
            d = (
              source.vector(0), source.vector(step), source.vector(2 * step),
              source.vector(3 * step), source.vector(4 * step), source.vector(5 * step)
            )
          } else if column + j >= 0 && column + j < width {
            if row >= 0 && row < height { d.0 = source.vector(0) }
            if row + 1 >= 0 && row + 1 < height { d.1 = source.vector(step) }
            if row + 2 >= 0 && row + 2 < height { d.2 = source.vector(2 * step) }
            if row + 3 >= 0 && row + 3 < height { d.3 = source.vector(3 * step) }
            if row + 4 >= 0 && row + 4 < height { d.4 = source.vector(4 * step) }
            if row + 5 >= 0 && row + 5 < height { d.5 = source.vector(5 * step) }
          }
          storeColumn(inputTransform(d), j, in: scratch)
        }
        storeRows(
          scratch, inputTransform, into: frequencies + tile * channels + channel,
          step: tiles * channels)
      }
    }
  }

  /// M = A dy A^T of some tiles: output gradient `[N, H', W', C]` to frequencies `[36, tiles, C]`.
  func transformOutputGradient(
    _ gradient: UnsafePointer<Float>, channels: Int, first: Int, count tiles: Int,
    into frequencies: UnsafeMutablePointer<Float>, scratch: UnsafeMutablePointer<Float>
  ) {
    let step = outputWidth * channels
    for tile in 0..<tiles {
      let (n, row, column) = place(first + tile)
      let corner = gradient + ((n * outputHeight + row) * outputWidth + column) * channels
      for channel in stride(from: 0, to: channels, by: 8) {
        for j in 0..<4 {
          let source = corner + j * channels + channel
          var y: Four = (.zero, .zero, .zero, .zero)
          if column + j < outputWidth {
            y.0 = source.vector(0)
            if row + 1 < outputHeight { y.1 = source.vector(step) }
            if row + 2 < outputHeight { y.2 = source.vector(2 * step) }
            if row + 3 < outputHeight { y.3 = source.vector(3 * step) }
          }
          storeColumn(outputAdjoint(y), j, in: scratch)
        }
        let target = frequencies + tile * channels + channel
        for i in 0..<6 {
          let line = scratch + i * 48
          let m = outputAdjoint((line.vector(0), line.vector(8), line.vector(16), line.vector(24)))
          store(m, into: target + i * 6 * tiles * channels, step: tiles * channels)
        }
      }
    }
  }

  /// y = A^T m A + bias of some tiles: frequencies `[36, tiles, C]` to output `[N, H', W', C]`.
  func transformOutput(
    _ frequencies: UnsafePointer<Float>, channels: Int, first: Int, count tiles: Int,
    bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    let step = tiles * channels
    for tile in 0..<tiles {
      let (n, row, column) = place(first + tile)
      let corner = output + ((n * outputHeight + row) * outputWidth + column) * channels
      let (rows, columns) = (min(4, outputHeight - row), min(4, outputWidth - column))
      for channel in stride(from: 0, to: channels, by: 8) {
        let source = frequencies + tile * channels + channel
        for j in 0..<6 {
          let m = source + j * step
          let y = outputTransform(
            (
              m.vector(0), m.vector(6 * step), m.vector(12 * step), m.vector(18 * step),
              m.vector(24 * step), m.vector(30 * step)
            ))
          scratch.store(y.0, at: j * 8)
          scratch.store(y.1, at: 48 + j * 8)
          scratch.store(y.2, at: 96 + j * 8)
          scratch.store(y.3, at: 144 + j * 8)
        }
        let shift: SIMD8<Float> = bias.map { ($0 + channel).vector(0) } ?? .zero
        for i in 0..<rows {
          let line = scratch + i * 48
          let y = outputTransform(
            (
              line.vector(0), line.vector(8), line.vector(16), line.vector(24), line.vector(32),
              line.vector(40)
            ))
          let target = corner + i * outputWidth * channels + channel
          target.store(y.0 + shift, at: 0)
          if columns > 1 { target.store(y.1 + shift, at: channels) }
          if columns > 2 { target.store(y.2 + shift, at: 2 * channels) }
          if columns > 3 { target.store(y.3 + shift, at: 3 * channels) }
        }
      }
    }
  }
}

/// Writes column `j` of a 6x6 tile of eight channels, whose rows are 48 floats apart.
@inline(__always)
func storeColumn(_ m: Six, _ j: Int, in scratch: UnsafeMutablePointer<Float>) {
  scratch.store(m.0, at: j * 8)
  scratch.store(m.1, at: 48 + j * 8)
  scratch.store(m.2, at: 96 + j * 8)
  scratch.store(m.3, at: 144 + j * 8)
  scratch.store(m.4, at: 192 + j * 8)
  scratch.store(m.5, at: 240 + j * 8)
}

/// Transforms the six rows of a 6x6 tile and writes its 36 values `step` floats apart.
@inline(__always)
private func storeRows(
  _ scratch: UnsafeMutablePointer<Float>, _ transform: (Six) -> Six,
  into target: UnsafeMutablePointer<Float>, step: Int
) {
  for i in 0..<6 {
    let line = scratch + i * 48
    let m = transform(
      (
        line.vector(0), line.vector(8), line.vector(16), line.vector(24), line.vector(32),
        line.vector(40)
      ))
    store(m, into: target + i * 6 * step, step: step)
  }
}

/// Writes six values `step` floats apart.
@inline(__always)
func store(_ m: Six, into target: UnsafeMutablePointer<Float>, step: Int) {
  target.store(m.0, at: 0)
  target.store(m.1, at: step)
  target.store(m.2, at: 2 * step)
  target.store(m.3, at: 3 * step)
  target.store(m.4, at: 4 * step)
  target.store(m.5, at: 5 * step)
}
