// Walks over [pixels, channels] by eight channels at a time, for the group normalization: what
// belongs to a channel stays in registers while the pixels go by.

/// Calls `body` with the first channel of each vector and how many lanes of it are there.
@inline(__always)
func eachChunk(_ g: GroupNormalizationGeometry, _ body: (_ channel: Int, _ lanes: Int) -> Void) {
  var channel = 0
  while channel < g.channels {
    body(channel, min(8, g.channels - channel))
    channel += 8
  }
}

/// Calls `body` for each vector of channels within each tile of 128 pixels: a tile of 256 channels
/// stays in the second cache, with its gradient, while all its vectors pass over it.
@inline(__always)
func eachTile(
  _ g: GroupNormalizationGeometry,
  _ body: (_ pixel: Int, _ pixels: Int, _ channel: Int, _ lanes: Int) -> Void
) {
  var pixel = 0
  while pixel < g.pixels {
    let pixels = min(128, g.pixels - pixel)
    eachChunk(g) { channel, lanes in body(pixel, pixels, channel, lanes) }
    pixel += pixels
  }
}

/// The value of each channel's group.
@inline(__always)
func perGroup(
  _ g: GroupNormalizationGeometry, _ values: UnsafePointer<Float>, _ channel: Int, _ lanes: Int
) -> SIMD8<Float> {
  var v = SIMD8<Float>.zero
  for k in 0..<lanes { v[k] = values[(channel + k) / g.depth] }
  return v
}

/// y = f(x) at one vector of channels of each pixel.
@inline(__always)
func eachPixel(
  _ g: GroupNormalizationGeometry, _ pixels: Int, _ lanes: Int, _ start: Int,
  _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  _ f: (SIMD8<Float>) -> SIMD8<Float>
) {
  var at = start
  if lanes == 8 {
    for _ in 0..<pixels {
      y.store(f(x.vector(at)), at: at)
      at &+= g.channels
    }
  } else {
    for _ in 0..<pixels {
      y.store(f(x.vector(at, count: lanes)), at: at, count: lanes)
      at &+= g.channels
    }
  }
}

/// y = f(a, b) at one vector of channels of each pixel.
@inline(__always)
func eachPixel(
  _ g: GroupNormalizationGeometry, _ pixels: Int, _ lanes: Int, _ start: Int,
  _ a: UnsafePointer<Float>, _ b: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>,
  _ f: (SIMD8<Float>, SIMD8<Float>) -> SIMD8<Float>
) {
  var at = start
  if lanes == 8 {
    for _ in 0..<pixels {
      y.store(f(a.vector(at), b.vector(at)), at: at)
      at &+= g.channels
    }
  } else {
    for _ in 0..<pixels {
      y.store(f(a.vector(at, count: lanes), b.vector(at, count: lanes)), at: at, count: lanes)
      at &+= g.channels
    }
  }
}
