import CPUBackend
import Execution
import Imaging
import Inference
import Testing
import Tokenizers

/// Latents of a codec decode to its own reconstruction.
struct LatentCodecTests {
  private static let quantizers: [QuantizerConfiguration] = [
    .kl(KLConfiguration(channels: 3)), .plain(PlainConfiguration(channels: 4)),
  ]

  private func image(_ number: Int, width: Int, height: Int) -> Image {
    Image(
      width: width, height: height,
      pixels: (0..<width * height * 3).map {
        UInt8(truncatingIfNeeded: $0 &* (number + 3) / 5 + $0)
      })
  }

  @Test(arguments: quantizers)
  func decodedLatentsAreTheReconstruction(_ quantizer: QuantizerConfiguration) throws {
    let codec = CodecTests.codec(quantizer, lanes: 2, threads: 2)
    let images = (0..<5).map { image($0, width: $0 < 3 ? 16 : 24, height: 12) }
    let latents = try codec.latents(of: images)
    let results = try codec.reconstruct(images)
    let decoded = try codec.decode(latents: latents)
    for (index, result) in results.enumerated() {
      #expect(latents[index].numbers == result.latents)
      #expect((latents[index].height, latents[index].channels) == (3, quantizer.codeDimension))
      #expect(decoded[index] == result.image)
      #expect(result.tokens.indices.isEmpty)
      #expect(result.quantizationError == 0)
      #expect(
        result.divergences.count == (quantizer.kind == "kl" ? result.latents.count : 0))
      // Alone as in a batch, and without noise.
      #expect(try codec.latents(of: [images[index]])[0] == latents[index])
    }
  }

  @Test func numbersThatAreNotFiniteAreRefused() throws {
    let codec = CodecTests.codec(Self.quantizers[0])
    let grid = LatentGrid(height: 1, width: 1, channels: 3, numbers: [0, .infinity, 0])
    #expect(throws: CodecError.latentNotFinite(image: 0, value: .infinity)) {
      try codec.decode(latents: [grid])
    }
    let configuration = CodecTests.configuration(Self.quantizers[0])
    let parameters = CodecTests.parameters(configuration)
    let bias = try #require(parameters.layout.index(of: "quant_conv.bias"))
    parameters.write([0, .nan, 0, 0, 0, 0], toParameter: bias)
    let broken = Codec(
      configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    for work in [{ _ = try broken.latents(of: [$0]) }, { _ = try broken.reconstruct([$0]) }]
      as [(Image) throws -> Void]
    {
      #expect(throws: CodecError.notFinite(image: 0)) {
        try work(image(1, width: 16, height: 12))
      }
    }
  }
}
