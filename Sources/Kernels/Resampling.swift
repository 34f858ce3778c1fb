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
