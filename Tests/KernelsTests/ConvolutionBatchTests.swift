import Kernels
import Testing

/// An image gives the same bits alone and in any company.
@Suite struct ConvolutionBatchTests {
  static let cases = [
    // By Winograd's tiles: 16 tiles an image, so that blocks of 64 begin and end within images.
    geometry(7, 13, 14, 5, 17, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(3, 9, 21, 16, 48, kernel: (3, 3), padding: (0, 1, 2, 1)),
    geometry(64, 1, 1, 33, 24, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(67, 2, 5, 16, 16, kernel: (3, 3), padding: (1, 1, 1, 1)),
    // Alone an image has few tiles for so large a filter, which is then transformed piece by piece.
    geometry(9, 10, 12, 100, 97, kernel: (3, 3), padding: (1, 1, 1, 1)),
    geometry(2, 23, 27, 67, 150, kernel: (3, 3), padding: (1, 1, 1, 1)),
    // By patches, with blocks that begin and end within images; the image gradient overlaps.
    geometry(7, 13, 11, 5, 17, kernel: (1, 1)),
    geometry(5, 31, 29, 16, 32, kernel: (1, 1)),
    geometry(5, 27, 23, 6, 9, kernel: (3, 3), stride: 2, padding: (0, 1, 0, 1)),
    geometry(3, 13, 12, 33, 16, kernel: (4, 4), padding: (2, 1, 1, 2)),
    geometry(3, 7, 9, 7, 5, kernel: (3, 3), padding: (4, 3, 5, 3)),
  ]

  @Test(arguments: cases) func imagesDoNotSeeEachOther(_ g: ConvolutionGeometry) {
    let data = ConvolutionData(g)
    let together = ConvolutionResults(g, data)
    let (pixels, outputs) = (g.imageCount / g.batch, g.outputCount / g.batch)
    var one = g
    one.batch = 1
    for n in 0..<g.batch {
      let (image, output) = (n * pixels..<(n + 1) * pixels, n * outputs..<(n + 1) * outputs)
      var part = data
      part.image = Array(data.image[image])
      part.gradient = Array(data.gradient[output])
      let alone = ConvolutionResults(one, part)
      #expect(alone.output[...] == together.output[output])
      #expect(alone.bare[...] == together.bare[output])
      #expect(alone.imageGradient[...] == together.imageGradient[image])
    }
  }

  /// Nor does their order matter.
  @Test(arguments: cases) func anyOrder(_ g: ConvolutionGeometry) {
    func reversed(_ x: [Float]) -> [Float] {
      let size = x.count / g.batch
      return (0..<g.batch).reversed().flatMap { x[$0 * size..<($0 + 1) * size] }
    }
    var data = ConvolutionData(g)
    let forward = ConvolutionResults(g, data)
    (data.image, data.gradient) = (reversed(data.image), reversed(data.gradient))
    let backward = ConvolutionResults(g, data)
    #expect(reversed(backward.output) == forward.output)
    #expect(reversed(backward.imageGradient) == forward.imageGradient)
  }
}
