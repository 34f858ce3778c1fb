import Kernels
import Testing

@Suite struct ResamplingTests {
  @Test(arguments: [1, 2, 3], [1, 5, 8, 15, 16, 17, 31, 33]) func upsampling(
    factor: Int, channels: Int
  ) {
    let (batch, height, width) = (2, 3, 4)
    let x = noise(batch * height * width * channels, seed: 1)
    let (tall, wide) = (height * factor, width * factor)
    let g = noise(batch * tall * wide * channels, seed: 2)
    var expected = [Float](repeating: 0, count: g.count)
    var gradient = [Double](repeating: 0, count: x.count)
    for n in 0..<batch {
      for v in 0..<tall {
        for u in 0..<wide {
          for c in 0..<channels {
            let large = ((n * tall + v) * wide + u) * channels + c
            let small = ((n * height + v / factor) * width + u / factor) * channels + c
            expected[large] = x[small]
            gradient[small] += Double(g[large])
          }
        }
      }
    }
    var y = [Float](repeating: .nan, count: g.count)
    upsampleNearest(
      batch: batch, height: height, width: width, channels: channels, factor: factor, x, into: &y)
    #expect(y == expected)
    var byX = [Float](repeating: .nan, count: x.count)
    upsampleNearestGradient(
      batch: batch, height: height, width: width, channels: channels, factor: factor,
      outputGradient: g, into: &byX)
    #expect(distance(byX, gradient) < 1e-6)
  }

  @Test func anEmptyBatchWritesNothing() {
    var y: [Float] = [7]
    upsampleNearest(batch: 0, height: 2, width: 2, channels: 3, factor: 2, [0], into: &y)
    upsampleNearestGradient(
      batch: 0, height: 2, width: 2, channels: 3, factor: 2, outputGradient: [0], into: &y)
    #expect(y == [7])
  }
}
