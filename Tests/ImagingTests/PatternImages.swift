import Imaging

/// Images made by formula, so that no test needs a file.
enum Pattern {
  /// Smooth in both directions, different in each channel.
  static func smooth(_ width: Int, _ height: Int) -> Image {
    make(width, height) { x, y, channel in
      let u = Double(x) / Double(max(width - 1, 1))
      let v = Double(y) / Double(max(height - 1, 1))
      return UInt8([255 * u, 255 * v, 255 * (1 - u) * v][channel])
    }
  }

  /// Every byte unrelated to its neighbours.
  static func noise(_ width: Int, _ height: Int, seed: UInt64 = 1) -> Image {
    var state = Scramble(state: seed)
    return make(width, height) { _, _, _ in UInt8(truncatingIfNeeded: state.next() >> 24) }
  }

  static func make(
    _ width: Int, _ height: Int, _ value: (_ x: Int, _ y: Int, _ channel: Int) -> UInt8
  ) -> Image {
    var pixels: [UInt8] = []
    for y in 0..<height {
      for x in 0..<width {
        for channel in 0..<3 { pixels.append(value(x, y, channel)) }
      }
    }
    return Image(width: width, height: height, pixels: pixels)
  }
}

/// SplitMix64, for repeatable noise.
struct Scramble: RandomNumberGenerator {
  var state: UInt64

  mutating func next() -> UInt64 {
    state &+= 0x9E37_79B9_7F4A_7C15
    var z = state
    z = (z ^ (z >> 30)) &* 0xBF58_476D_1CE4_E5B9
    z = (z ^ (z >> 27)) &* 0x94D0_49BB_1331_11EB
    return z ^ (z >> 31)
  }
}
