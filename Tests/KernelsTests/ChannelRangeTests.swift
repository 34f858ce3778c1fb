import Kernels
import Testing

@Suite struct ChannelRangeTests {
  @Test(arguments: [(1, 0, 1), (5, 2, 3), (40, 0, 16), (40, 3, 37), (33, 32, 1)], [0, 1, 7])
  func aSliceIsPlacedWhereItCameFrom(range: (width: Int, start: Int, channels: Int), rows: Int) {
    let (width, start, channels) = range
    let x = noise(rows * width, seed: 1)
    var y = [Float](repeating: 77, count: rows * channels + 1)
    sliceChannels(rows: rows, width: width, start: start, channels: channels, x, into: &y)
    var z = [Float](repeating: 5, count: rows * width + 1)
    placeChannels(rows: rows, width: width, start: start, channels: channels, y, into: &z)
    for row in 0..<rows {
      for c in 0..<width {
        let isInside = (start..<start + channels).contains(c)
        #expect(z[row * width + c] == (isInside ? x[row * width + c] : 5))
        if isInside { #expect(y[row * channels + c - start] == x[row * width + c]) }
      }
    }
    #expect(y.last == 77 && z.last == 5)
  }

  /// Indices are words like others: a signalling NaN's bits come through.
  @Test func wordsAreMovedAsTheyAre() {
    let words: [UInt32] = [0x7f80_0001, 0xffff_ffff, 1, 0x8000_0000]
    let x = words.map { Float(bitPattern: $0) }
    var y = [Float](repeating: 0, count: 2)
    sliceChannels(rows: 2, width: 2, start: 1, channels: 1, x, into: &y)
    #expect(y.map(\.bitPattern) == [words[1], words[3]])
  }
}
