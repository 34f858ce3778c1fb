// How images and outputs are cut into the tiles of Winograd's algorithm, transformed, and put together
// again; `WinogradConvolution.swift` computes with them.

import CProcessor

/// How a 3x3 convolution of stride 1 is cut into tiles of 4x4 outputs.
///
/// Tiles at the right and bottom edge may reach beyond the output; what is beyond is zero when
/// read and left out when written.
struct WinogradTiles {
  /// Images, and the extents of image and output.
  let batch, height, width, outputHeight, outputWidth: Int
  /// Zeros above and left of the image.
  let top, left: Int
  /// The channels of the image and of the output.
  let inputs, outputs: Int
  /// Tiles that are transformed and multiplied at a time.
  ///
  /// Measured with 32 to 256 channels on a core with 1 MiB of second cache: 24 to 60 tiles are alike within
  /// a few percent, as long as they fill tiles of six rows; 36 were best with 256 channels.
  static var block: Int { 36 }
  /// The same for gradients of filters, which are read and written with each block.
  static var gradientBlock: Int { 64 }
  /// The most tiles that are few for a large filter: with more their sums would leave the second cache.
  static var fewTiles: Int { 64 }
  /// The floats of the largest transformed filter that the second cache holds beside the tiles: 1 MB.
  static var smallFilter: Int { 1 << 18 }

  /// The tiles of a convolution, if it is one that Winograd's algorithm serves: 3x3, stride 1.
  ///
  /// The number of images has no say, so that an image gives the same bits in any company.
  init?(_ g: ConvolutionGeometry) {
    guard g.algorithm == .fastest, g.kernelHeight == 3, g.kernelWidth == 3, g.stride == 1,
      g.pixels > 0
    else { return nil }
    (batch, height, width) = (g.batch, g.height, g.width)
    (outputHeight, outputWidth) = (g.outputHeight, g.outputWidth)
    (top, left) = (g.top, g.left)
    (inputs, outputs) = (g.inputs, g.outputs)
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

  /// Calls `body` with the first tile and the number of tiles of each block of some tiles in turn.
  @inline(__always)
  func eachBlock(
    of block: Int, in tiles: Range<Int>, _ body: (_ first: Int, _ count: Int) -> Void
  ) {
    var first = tiles.lowerBound
    while first < tiles.upperBound {
      body(first, min(block, tiles.upperBound - first))
      first += block
    }
  }

  /// V = B^T d B of some tiles of the image `[N, H, W, I]`, to those of V from one on.
  func transformImages(
    _ image: UnsafePointer<Float>, first: Int, count tiles: Int, into v: Frequencies,
    at target: Int = 0, scratch: UnsafeMutablePointer<Float>
  ) {
    for tile in 0..<tiles {
      let (n, row, column) = place(first + tile)
      let patch = Patch(
        image + n * height * width * inputs, height: height, width: width, channels: inputs,
        row: row - top, column: column - left, side: 6)
      for channel in stride(from: 0, to: inputs, by: 16) {
        patch.fetchNext(channel)
        transformInput(patch.read(channel, scratch), into: v.place(target + tile, channel))
      }
    }
  }

  /// M = A dy A^T of some tiles of the output gradient `[N, H', W', O]`.
  func transformOutputGradients(
    _ gradient: UnsafePointer<Float>, first: Int, count tiles: Int, into m: Frequencies,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for tile in 0..<tiles {
      let (n, row, column) = place(first + tile)
      let patch = Patch(
        gradient + n * outputHeight * outputWidth * outputs, height: outputHeight,
        width: outputWidth, channels: outputs, row: row, column: column, side: 4)
      for channel in stride(from: 0, to: outputs, by: 16) {
        patch.fetchNext(channel)
        transformOutputGradient(patch.read(channel, scratch), into: m.place(tile, channel))
      }
    }
  }

  /// y = A^T m A + bias of some channels of some tiles, to the output `[N, H', W', O]`; `m` has those
  /// alone.
  func transformOutputs(
    _ m: Frequencies, _ channels: Range<Int>, first: Int, count tiles: Int,
    bias: UnsafePointer<Float>?, into output: UnsafeMutablePointer<Float>,
    scratch: UnsafeMutablePointer<Float>
  ) {
    for tile in 0..<tiles {
      let (n, row, column) = place(first + tile)
      let patch = Patch(
        output + n * outputHeight * outputWidth * outputs, height: outputHeight,
        width: outputWidth, channels: outputs, row: row, column: column, side: 4)
      for channel in stride(from: channels.lowerBound, to: channels.upperBound, by: 16) {
        let frequencies = m.read(tile, channel - channels.lowerBound)
        let shift = bias.map { load($0 + channel, min(16, outputs - channel)) } ?? .zero
        if patch.isWhole(channel) {
          transformOutput(frequencies, shift: shift, into: patch.place(channel))
        } else {
          transformOutput(frequencies, shift: shift, into: patch.copyPlace(scratch))
          patch.write(channel, from: scratch)
        }
      }
    }
  }
}

/// The frequencies of a block of tiles: 36 matrices `[tiles, channels]`, channels filled up to whole
/// vectors.
struct Frequencies {
  let start: UnsafeMutablePointer<Float>
  /// From tile to tile, and from matrix to matrix.
  ///
  /// A line more than the matrix takes, because 36 matrices a power of two apart would all compete
  /// for the same few lines of the first cache.
  let leading, step: Int

  /// The floats of a block.
  ///
  /// - Parameter run: channels whose 36 matrices lie together, before those of others: a multiple of 16, and
  ///   all channels unless something else is said.
  static func words(tiles: Int, channels: Int, run: Int? = nil) -> Int {
    let leading = leading(channels, run)
    return (channels + leading - 1) / max(leading, 1) * 36 * (tiles * leading + 16)
  }

  /// The channels of a run, filled up to whole vectors.
  private static func leading(_ channels: Int, _ run: Int?) -> Int {
    (min(run ?? channels, channels) + 15) & ~15
  }

  init(_ start: UnsafeMutablePointer<Float>, tiles: Int, channels: Int, run: Int? = nil) {
    self.start = start
    leading = Self.leading(channels, run)
    step = tiles * leading + 16
  }

  /// The matrix of a frequency, of the first run of channels.
  @inline(__always)
  subscript(frequency: Int) -> UnsafeMutablePointer<Float> { start + frequency * step }

  /// How far behind the first channel another lies.
  @inline(__always)
  func offset(_ channel: Int) -> Int {
    if channel < leading { return channel }
    let (run, rest) = channel.quotientAndRemainder(dividingBy: leading)
    return run &* (36 &* step) &+ rest
  }

  /// Where the 6x6 frequencies of a tile's vector of channels are written.
  @inline(__always)
  func place(_ tile: Int, _ channel: Int) -> TilePlace<UnsafeMutablePointer<Float>> {
    TilePlace(start + (tile * leading + offset(channel)), row: 6 * step, column: step)
  }

  /// Where they are read.
  @inline(__always)
  func read(_ tile: Int, _ channel: Int) -> TilePlace<UnsafePointer<Float>> {
    TilePlace(
      UnsafePointer(start) + (tile * leading + offset(channel)), row: 6 * step, column: step)
  }
}

/// A square part of an image `[H, W, C]` that may reach beyond its edges, where all is zero.
private struct Patch<Pointer> {
  let image: Pointer
  let height, width, channels, row, column, side: Int
  let isInside: Bool

  @inline(__always)
  init(
    _ image: Pointer, height: Int, width: Int, channels: Int, row: Int, column: Int, side: Int
  ) {
    (self.height, self.width, self.channels) = (height, width, channels)
    (self.row, self.column, self.side) = (row, column, side)
    self.image = image
    isInside = row >= 0 && column >= 0 && row + side <= height && column + side <= width
  }

  /// Whether all pixels and a whole vector of channels are there.
  @inline(__always)
  func isWhole(_ channel: Int) -> Bool { isInside && channel + 16 <= channels }

  /// Where the first pixel's channel would lie.
  @inline(__always)
  func offset(_ channel: Int) -> Int { (row * width + column) * channels + channel }

  /// Calls `body` with each pixel that is there: its place in the patch, and that from the first.
  @inline(__always)
  func eachPixel(_ body: (_ pixel: Int, _ offset: Int) -> Void) {
    for i in max(0, -row)..<min(side, height - row) {
      for j in max(0, -column)..<min(side, width - column) {
        body(i * side + j, (i * width + j) * channels)
      }
    }
  }
}

extension Patch<UnsafePointer<Float>> {
  /// Asks for a vector of channels of the four pixels of each row to the right of the patch: those that the
  /// next one has more.
  ///
  /// Pixels lie as far apart as the channels take, which the processor does not foresee. What lies beyond the edge
  /// is asked for in vain.
  @inline(__always)
  func fetchNext(_ channel: Int) {
    let start = image + (offset(channel) &+ side &* channels)
    for i in 0..<side {
      for j in 0..<4 { tessera_prefetch_soon(start + (i &* width &+ j) &* channels) }
    }
  }

  /// A vector of channels of each pixel: where it lies, or a copy in scratch memory of
  /// `16 side side` floats if a part of it is missing.
  @inline(__always)
  func read(_ channel: Int, _ scratch: UnsafeMutablePointer<Float>)
    -> TilePlace<UnsafePointer<Float>>
  {
    if isWhole(channel) {
      return TilePlace(image + offset(channel), row: width * channels, column: channels)
    }
    copy(channel, scratch)
    return TilePlace(UnsafePointer(scratch), row: 16 * side, column: 16)
  }

  @inline(never)
  private func copy(_ channel: Int, _ scratch: UnsafeMutablePointer<Float>) {
    for pixel in 0..<(side * side) { scratch.store(Vector.zero, at: 16 * pixel) }
    let source = image + offset(channel)
    if channel + 16 <= channels {
      eachPixel { scratch.store(source.vector($1) as Vector, at: 16 * $0) }
    } else {
      eachPixel { pixel, offset in
        for k in 0..<(channels - channel) { scratch[16 * pixel + k] = source[offset + k] }
      }
    }
  }
}

extension Patch<UnsafeMutablePointer<Float>> {
  @inline(__always)
  func place(_ channel: Int) -> TilePlace<UnsafeMutablePointer<Float>> {
    TilePlace(image + offset(channel), row: width * channels, column: channels)
  }

  @inline(__always)
  func copyPlace(_ scratch: UnsafeMutablePointer<Float>)
    -> TilePlace<UnsafeMutablePointer<Float>>
  {
    TilePlace(scratch, row: 16 * side, column: 16)
  }

  /// Writes what is there of a vector of channels of each pixel.
  @inline(never)
  func write(_ channel: Int, from scratch: UnsafePointer<Float>) {
    let target = image + offset(channel)
    if channel + 16 <= channels {
      eachPixel { target.store(scratch.vector(16 * $0) as Vector, at: $1) }
    } else {
      eachPixel { pixel, offset in
        for k in 0..<(channels - channel) { target[offset + k] = scratch[16 * pixel + k] }
      }
    }
  }
}
