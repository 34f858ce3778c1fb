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
