import Kernels
import Testing

/// 3x3 convolutions of stride 1, which are computed by tiles of 4x4 outputs.
@Suite struct WinogradTests {
  static func geometry(
    _ batch: Int, _ height: Int, _ width: Int, _ inputs: Int, _ outputs: Int,
    padding: (Int, Int, Int, Int) = (1, 1, 1, 1)
  ) -> ConvolutionGeometry {
    KernelsTests.geometry(
      batch, height, width, inputs, outputs, kernel: (3, 3), padding: padding)
  }

  /// Around the width of a vector, of two (a panel of a packed matrix), and far beyond.
  static let channels = [1, 2, 3, 5, 7, 8, 15, 16, 17, 24, 31, 33, 40, 48, 70, 130]

  /// Tiles whole and cut, at each edge.
  @Test(arguments: 1...13, 1...13) func sizes(height: Int, width: Int) {
    for (inputs, outputs) in [(3, 17), (16, 16), (33, 5)] {
      let g = Self.geometry(2, height, width, inputs, outputs)
      #expect(inaccuracies(g) == [:], "\(inputs) to \(outputs) channels")
    }
  }

  /// Blocks of 64 tiles, each tile for one pixel.
  @Test(arguments: [1, 2, 7, 64, 65, 130], [(1, 1), (3, 8), (16, 16), (17, 33), (40, 24)])
  func onePixel(batch: Int, channels: (inputs: Int, outputs: Int)) {
    let g = Self.geometry(batch, 1, 1, channels.inputs, channels.outputs)
    #expect(inaccuracies(g) == [:])
  }

  /// Rounding grows with the root of the number of channels that are summed in one chain, which is
  /// why long sums are made of short ones.
  @Test(arguments: channels, channels) func channelCounts(inputs: Int, outputs: Int) {
    #expect(inaccuracies(Self.geometry(1, 9, 5, inputs, outputs)) == [:])
  }

  /// Paddings that differ from side to side; from 3 on the image gradient goes another way.
  @Test(arguments: 0...3, 0...3) func paddings(top: Int, left: Int) {
    for bottom in 0...3 {
      for right in 0...3 {
        let g = Self.geometry(2, 4, 5, 3, 17, padding: (top, bottom, left, right))
        #expect(inaccuracies(g) == [:], "bottom \(bottom), right \(right)")
      }
    }
  }

  /// Sums over a thousand tiles.
  ///
  /// The filter gradient of the first case is 135 sums of random signs over 16,375 pixels; the
  /// transforms alone leave it at 2.1e-6, chains of 64 tiles at 2.6e-6.
  @Test(arguments: [(1, 131, 125, 3, 5), (3, 61, 67, 2, 16), (40, 13, 11, 5, 3)])
  func manyTiles(_ size: (Int, Int, Int, Int, Int)) {
    let g = Self.geometry(size.0, size.1, size.2, size.3, size.4)
    #expect(inaccuracies(g, above: 3e-6) == [:])
  }
}
