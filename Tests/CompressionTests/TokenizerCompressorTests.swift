import Autodiff
import CPUBackend
import Compression
import Configuration
import Execution
import Imaging
import Inference
import TestSupport
import Testing
import Tokenizers

/// Whole tokenizers made smaller.
struct TokenizerCompressorTests {
  private static let configuration = TokenizerConfiguration(
    model: ModelConfiguration(
      channels: [16, 32], blocksPerLevel: 1, latentChannels: 4, normGroups: 8))
  private static let side = 16

  private let parameters: ParameterMemory<CPUBackend>
  private let images: [Image]
  private let codec: Codec<CPUBackend>

  init() {
    parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(Self.configuration), on: CPUBackend())
    parameters.initialize(seed: 7)
    let side = Self.side
    images = (0..<3).map { number in
      Image(
        width: side, height: side,
        normalized: HashedNumbers.values("image \(number)", count: side * side * 3))
    }
    codec = Codec(
      Self.configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
  }

  private var compressor: TokenizerCompressor<CPUBackend> {
    TokenizerCompressor(
      Self.configuration, imageSize: Self.side, parameters: parameters, codec: codec,
      images: images)
  }

  private var bits: [[UInt32]] {
    parameters.layout.parameters.indices.map { parameters.read(parameter: $0).map(\.bitPattern) }
  }

  /// The compressed tokenizer, which must have the parameters that the compressor says.
  private func small(
    _ model: CompressedModel
  ) throws -> (parameters: ParameterMemory<CPUBackend>, codec: Codec<CPUBackend>) {
    var configuration = Self.configuration
    configuration.model.compression = model.layers
    try configuration.validate()
    let small = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(configuration), on: CPUBackend())
    model.write(to: small, from: parameters)
    return (small, Codec(configuration, parameters: small, lanes: 1, pool: LanePool(threads: 1)))
  }

  /// Makes a layer's weight one of a rank: rows of all but the first outputs are sums of the first ones.
  private func plant(_ layer: String, rank: Int) {
    let index = parameters.layout.parameters.firstIndex { $0.name == layer + ".weight" }!
    let outputs = parameters.layout.parameters[index].shape[3]
    var weight = parameters.read(parameter: index)
    let row = weight.count / outputs
    for output in rank..<outputs {
      for column in 0..<row {
        weight[output * row + column] =
          weight[output % rank * row + column] - 0.5 * weight[column]
      }
    }
    parameters.write(weight, toParameter: index)
  }

  @Test func energyFindsAPlantedRankAndNothingElse() throws {
    let layer = "decoder.mid_block.resnets.0.conv1"
    plant(layer, rank: 4)
    let before = bits
    let model = try compressor.compress(.svd, to: .energy(1 - 1e-7))
    #expect(model.parts.map(\.name) == [layer])
    let part = try #require(model.parts.first)
    #expect(part.size == 4 && part.wholeSize == 32)
    #expect(part.after.parameters < part.before.parameters)
    #expect(part.after.multiplyAdds < part.before.multiplyAdds && part.loss == nil)
    #expect(bits == before)
    // The same pictures, to rounding.
    let (whole, reduced) = (
      try codec.reconstruct(images), try small(model).codec.reconstruct(images)
    )
    for (a, b) in zip(whole, reduced) {
      #expect(zip(a.image.pixels, b.image.pixels).allSatisfy { abs(Int($0) - Int($1)) <= 1 })
    }
  }

  @Test(arguments: CompressionMethod.allCases)
  func aShareOfTheParametersIsMet(_ method: CompressionMethod) throws {
    let before = bits
    var told: [Int] = []
    let model = try compressor.compress(method, to: .share(0.8, of: .parameters)) { done, all in
      told.append(done)
      #expect(done <= all)
    }
    #expect(told == Array(0..<told.count) && told.count > 5)
    #expect(bits == before, "the weights are as they were")
    let reduced = try small(model)
    #expect(Double(reduced.parameters.layout.count) <= 0.8 * Double(parameters.layout.count))
    #expect(model.parts.allSatisfy { $0.size < $0.wholeSize && $0.loss != nil })
    _ = try reduced.codec.reconstruct(images)
  }

  @Test func onlyThePartThatIsAskedFor() throws {
    for part in [TokenizerPart.encoder, .decoder] {
      let model = try compressor.compress(.svd, to: .share(0.9, of: .parameters), parts: [part])
      #expect(model.parts.allSatisfy { TokenizerPart(ofParameter: $0.name) == part })
    }
  }

  /// What is lost is no more than was allowed, by the compressed model itself.
  @Test func aLossIsKept() throws {
    plant("decoder.up_blocks.0.resnets.0.conv1", rank: 4)
    plant("decoder.up_blocks.0.upsamplers.0.conv", rank: 4)
    func error(_ codec: Codec<CPUBackend>) throws -> Double {
      var sum = 0.0
      for (image, result) in zip(images, try codec.reconstruct(images)) {
        for (a, b) in zip(image.pixels, result.image.pixels) {
          sum += (Double(a) - Double(b)) * (Double(a) - Double(b))
        }
      }
      return sum
    }
    for method in CompressionMethod.allCases {
      // Which part is faster is measured, and on a busy machine it may be none.
      let model: CompressedModel
      do { model = try compressor.compress(method, to: .loss(0.2)) } catch CompressionError
        .nothingGained
      { continue }
      let (before, after) = (try error(codec), try error(try small(model).codec))
      #expect(after <= before * 1.048, "0.2 dB and rounding")
    }
  }

  @Test func whatCannotBeHadIsSaid() throws {
    let error = #expect(throws: CompressionError.self) {
      _ = try compressor.compress(.id, to: .share(0.05, of: .parameters))
    }
    guard case .outOfReach(let asked, let least)? = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(asked == 0.05 && least > 0.05 && least < 1)
    #expect("\(error!)".contains("--keep 0.05: expected at least 0."))
    let nothing = #expect(throws: CompressionError.self) {
      _ = try compressor.compress(.svd, to: .energy(1 - 1e-15))
    }
    #expect("\(nothing!)".hasPrefix("nothing was gained: "))
  }

  /// Whoever stops the work gets the weights back too.
  @Test func stoppingPutsTheWeightsBack() {
    struct Stopped: Error {}
    let before = bits
    #expect(throws: Stopped.self) {
      _ = try compressor.compress(.svd, to: .share(0.8, of: .parameters)) { done, _ in
        if done == 3 { throw Stopped() }
      }
    }
    #expect(bits == before)
  }
}
