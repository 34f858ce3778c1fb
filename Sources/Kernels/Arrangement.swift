// MARK: - Permutation

/// y = x with axes in another order, word by word, so that indices may be moved too.
///
/// - Parameters:
///   - rank: the number of axes.
///   - counts: the extents of y, outermost first.
///   - strides: for each axis of y, how far apart in x its neighbours lie.
public func permute(
  rank: Int, counts: UnsafePointer<Int>, strides: UnsafePointer<Int>, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  guard rank > 0 else {
    y[0] = x[0]
    return
  }
  var target = y
  permute(rank, counts, strides, x, &target)
}

/// Writes what lies behind one place of the outer axes, and moves the target behind it.
private func permute(
  _ rank: Int, _ counts: UnsafePointer<Int>, _ strides: UnsafePointer<Int>,
  _ x: UnsafePointer<Float>, _ target: inout UnsafeMutablePointer<Float>
) {
  let (count, stride) = (counts[0], strides[0])
  if rank > 1 {
    for i in 0..<count { permute(rank - 1, counts + 1, strides + 1, x + i * stride, &target) }
    return
  }
  if stride == 1 {
    copy(count, x, into: target)
  } else {
    for i in 0..<count { target[i] = x[i * stride] }
  }
  target += count
}

// MARK: - Channels

// A range of the channels of each row, read or written: words are moved as they are, so that indices
// may be moved too.

/// y[r] = x[r, start ..< start + channels], with x [rows, width] and y [rows, channels].
public func sliceChannels(
  rows: Int, width: Int, start: Int, channels: Int, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows { copy(channels, x + row * width + start, into: y + row * channels) }
}

/// y[r, start ..< start + channels] = x[r], with x [rows, channels] and y [rows, width], whose other
/// channels stay as they are.
public func placeChannels(
  rows: Int, width: Int, start: Int, channels: Int, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for row in 0..<rows { copy(channels, x + row * channels, into: y + row * width + start) }
}

// MARK: - Nearest upsampling

/// y[n, v, u, c] = x[n, v / factor, u / factor, c]: each pixel becomes factor x factor of its kind.
///
/// x is [batch, height, width, channels], y [batch, factor height, factor width, channels].
public func upsampleNearest(
  batch: Int, height: Int, width: Int, channels: Int, factor: Int,
  _ x: UnsafePointer<Float>, into y: UnsafeMutablePointer<Float>
) {
  let row = width * channels
  let wide = row * factor
  for line in 0..<(batch * height) {
    let source = x + line * row
    let target = y + line * factor * wide
    for u in 0..<width {
      for f in 0..<factor {
        copy(channels, source + u * channels, into: target + (u * factor + f) * channels)
      }
    }
    for f in 1..<max(factor, 1) { copy(wide, target, into: target + f * wide) }
  }
}

/// inputGradient[n, v, u, c] = the sum of the factor x factor output gradients of that pixel.
///
/// `height` and `width` are those of the small image.
public func upsampleNearestGradient(
  batch: Int, height: Int, width: Int, channels: Int, factor: Int,
  outputGradient: UnsafePointer<Float>, into inputGradient: UnsafeMutablePointer<Float>
) {
  let wide = width * channels * factor
  for line in 0..<(batch * height) {
    let source = outputGradient + line * factor * wide
    let target = inputGradient + line * width * channels
    for u in 0..<width {
      sumSquare(
        channels, factor: factor, stride: wide, source + u * factor * channels,
        into: target + u * channels)
    }
  }
}

/// y[c] = the sum of x[v stride + u channels + c] over v, u < factor.
@inline(__always)
private func sumSquare(
  _ channels: Int, factor: Int, stride: Int, _ x: UnsafePointer<Float>,
  into y: UnsafeMutablePointer<Float>
) {
  for c in vectors(channels) {
    var sum = SIMD16<Float>.zero
    for v in 0..<factor {
      for u in 0..<factor { sum += x[c + (v &* stride &+ u &* channels)] }
    }
    y[c] = sum
  }
}
