import Kernels
import Testing

/// Moments of an image in pieces are, bit by bit, those of the whole.
@Suite struct GroupMomentsStreamTests {
  static let cases = [
    (1, 4, 2), (2, 3, 1), (5, 6, 3), (37, 15, 3), (300, 8, 2), (1000, 16, 4), (513, 17, 17),
    (4097, 4, 2), (3000, 33, 11), (2048, 64, 32), (700, 96, 32),
  ].map { GroupNormalizationTests.geometry(1, $0.0, $0.1, $0.2, .none) }

  @Test(arguments: cases, [0, 1, 7, 64, 1 << 20])
  func anyDivision(_ g: GroupNormalizationGeometry, largest: Int) {
    let n = GroupNormalizationTests.Numbers(g, about: 3)
    var y = n.x
    var mean = [Float](repeating: .nan, count: g.groups)
    var reciprocal = mean
    var workspace = [Float](repeating: .nan, count: g.workspace)
    groupNormalize(
      g, x: n.x, scale: n.scale, shift: n.shift, into: &y, mean: &mean,
      reciprocalDeviation: &reciprocal, workspace: &workspace)

    let stream = GroupMomentsStream(g)
    stream.begin(
      samples: stream.sampledPixels.flatMap { n.x[$0 * g.channels..<($0 + 1) * g.channels] })
    // Pieces of pseudo-random sizes up to the largest; of 0, all at once.
    var (pixel, seed) = (0, 12345)
    while pixel < g.pixels {
      seed = (seed * 1_103_515_245 + 12345) & 0x7fff_ffff
      let count = min(g.pixels - pixel, largest == 0 ? g.pixels : 1 + (seed >> 8) % largest)
      n.x.withUnsafeBufferPointer {
        stream.add($0.baseAddress! + pixel * g.channels, count: count)
      }
      pixel += count
    }
    var streamedMean = [Float](repeating: .nan, count: g.groups)
    var streamedReciprocal = streamedMean
    stream.end(mean: &streamedMean, reciprocalDeviation: &streamedReciprocal)
    #expect(streamedMean.map(\.bitPattern) == mean.map(\.bitPattern))
    #expect(streamedReciprocal.map(\.bitPattern) == reciprocal.map(\.bitPattern))
  }
}
