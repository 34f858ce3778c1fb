import Autodiff
import CPUBackend
import Execution
import Imaging
import Inference
import TestSupport
import Testing
import Tokenizers

/// Encoding, decoding, and the whole pass agree on every pixel.
struct CodecTests {
  static let quantizers: [QuantizerConfiguration] = [
    .fsq(FiniteScalarConfiguration(levels: [5, 4, 3])),
    .fsq(FiniteScalarConfiguration(levels: [4, 6], bound: .sigmoid)),
    .vq(VectorConfiguration(codebookSize: 20, codeDimension: 3, initialization: .normal)),
    .vq(
      VectorConfiguration(
        codebookSize: 20, codeDimension: 3, gradient: .rotation, initialization: .normal)),
    .vq(
      VectorConfiguration(
        codebookSize: 20, codeDimension: 3, gradient: .diveq, initialization: .normal)),
    .fsq(FiniteScalarConfiguration(levels: [5, 7], bound: .ifsq)),
    .cosine(CosineConfiguration(codebookSize: 20, codeDimension: 3, initialization: .normal)),
    .simvq(SimVQConfiguration(codebookSize: 20, codeDimension: 3)),
    .lfq(LookupFreeConfiguration(bits: 5)),
    .bsq(BinarySphericalConfiguration(bits: 6)),
    .product(
      ProductConfiguration(
        groups: 2, codebookSize: 9, codeDimension: 4, initialization: .normal)),
    .residual(
      ResidualConfiguration(
        depth: 3, codebookSize: 9, codeDimension: 3, gradient: .rotation, initialization: .normal)),
    .residualFSQ(ResidualFiniteScalarConfiguration(depth: 2, levels: [5, 4])),
  ]

  @Test func everyKindIsAmongThem() {
    #expect(
      Set(Self.quantizers.map(\.kind))
        == Set(QuantizerConfiguration.standards.filter { !$0.isContinuous }.map(\.kind)))
  }

  static func configuration(_ quantizer: QuantizerConfiguration) -> TokenizerConfiguration {
    TokenizerConfiguration(
      model: ModelConfiguration(
        channels: [8, 16, 16], latentChannels: 4, middleAttention: true, normGroups: 4),
      quantizer: quantizer)
  }

  static func parameters(_ configuration: TokenizerConfiguration) -> ParameterMemory<CPUBackend> {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(configuration), on: CPUBackend())
    parameters.initialize(seed: 9)
    return parameters
  }

  static func codec(
    _ quantizer: QuantizerConfiguration, lanes: Int = 1, threads: Int = 1
  ) -> Codec<CPUBackend> {
    let configuration = configuration(quantizer)
    return Codec(
      configuration, parameters: parameters(configuration), lanes: lanes,
      pool: LanePool(threads: threads))
  }

  /// Images of several sizes, mixed.
  static let images: [Image] = [(8, 8), (12, 4), (8, 8), (4, 4), (20, 16), (12, 4), (8, 8)]
    .enumerated().map { index, size in
      let count = size.0 * size.1 * 3
      let numbers = HashedNumbers.values("image \(index)", count: count)
      return Image(
        width: size.0, height: size.1, pixels: numbers.map { UInt8(($0 + 1) * 127.5) })
    }

  @Test(arguments: quantizers, [1, 2, 3])
  func tokensDecodeToWhatThePassReconstructs(
    _ quantizer: QuantizerConfiguration, _ lanes: Int
  ) throws {
    let codec = Self.codec(quantizer, lanes: lanes, threads: 2)
    let grids = try codec.encode(Self.images)
    let decoded = try codec.decode(grids)
    let whole = try codec.reconstruct(Self.images)
    #expect(decoded == whole.map(\.image))
    #expect(grids == whole.map(\.tokens))
    for (grid, image) in zip(grids, Self.images) {
      #expect(grid.height == image.height / 4 && grid.width == image.width / 4)
      #expect(grid.indices.allSatisfy { $0 >= 0 && Int($0) < quantizer.codebookSize })
    }
    #expect(zip(decoded, Self.images).allSatisfy { $0.width == $1.width })
    #expect(Set(grids.flatMap(\.indices)).count > 1, "the test would not notice one lone token")
  }

  @Test(arguments: quantizers)
  func lanesAndCompanyChangeNothing(_ quantizer: QuantizerConfiguration) throws {
    let together = try Self.codec(quantizer, lanes: 3, threads: 3).encode(Self.images)
    let alone = Self.codec(quantizer)
    for (image, grid) in zip(Self.images, together) {
      #expect(try alone.encode([image]) == [grid])
    }
  }

  /// One image that is large enough is computed by all threads together: the same bits as by one.
  @Test(arguments: quantizers, [2, 3])
  func threadsThatShareAnImageChangeNoBit(
    _ quantizer: QuantizerConfiguration, _ threads: Int
  ) throws {
    let shared = Self.codec(quantizer, lanes: threads, threads: threads)
    let alone = Self.codec(quantizer)
    for (height, width) in [(64, 80), (132, 96)] {
      let numbers = HashedNumbers.values("large", count: height * width * 3)
      let image = Image(
        width: width, height: height, pixels: numbers.map { UInt8(($0 + 1) * 127.5) })
      let (one, other) = (try shared.reconstruct([image])[0], try alone.reconstruct([image])[0])
      #expect(one.image == other.image && one.tokens == other.tokens)
      #expect(one.quantizationError == other.quantizationError)
      let tokens = try shared.encode([image])
      #expect(tokens == [other.tokens])
      #expect(try shared.decode(tokens) == [other.image])
    }
  }

  /// In batches of every size, full and not, at every place in them: the same bits as alone.
  @Test(arguments: quantizers, [(4, 4), (8, 4), (20, 12), (64, 64)])
  func aBatchChangesNoBit(_ quantizer: QuantizerConfiguration, _ size: (Int, Int)) throws {
    let images = (0..<37).map { index in
      let numbers = HashedNumbers.values("\(index) of \(size)", count: size.0 * size.1 * 3)
      return Image(
        width: size.0, height: size.1, pixels: numbers.map { UInt8(($0 + 1) * 127.5) })
    }
    let codec = Self.codec(quantizer)
    let alone = try images.map { try codec.reconstruct([$0])[0] }
    for count in [2, 3, 5, 8, 13, 37] {
      for first in [0, 37 - count] {
        let range = first..<first + count
        let together = try codec.reconstruct(Array(images[range]))
        for (one, other) in zip(alone[range], together) {
          #expect(one.latents.map(\.bitPattern) == other.latents.map(\.bitPattern))
          #expect(one.tokens == other.tokens && one.image == other.image)
          #expect(one.quantizationError == other.quantizationError)
        }
        #expect(try codec.encode(Array(images[range])) == alone[range].map(\.tokens))
        #expect(try codec.decode(alone[range].map(\.tokens)) == alone[range].map(\.image))
      }
    }
    #expect(Set(alone.map { $0.tokens.indices }).count > 1, "the images should differ")
  }

  /// Memory that was given back or borrowed changes nothing.
  @Test func memoryMayBeReleasedOrBorrowed() throws {
    let codec = Self.codec(Self.quantizers[0])
    let expected = try codec.encode(Self.images)
    codec.releaseMemory()
    #expect(try codec.encode(Self.images) == expected)

    let configuration = Self.configuration(Self.quantizers[0])
    let parameters = Self.parameters(configuration)
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let plan = Plan(
      graph, outputs: ["images": tokenizer(graph.input("images", [2, 64, 64, 3])).images],
      on: CPUBackend())
    let pool = LanePool(threads: 1)
    let lender = Session(plan, parameters: parameters, lanes: 1, pool: pool)
    let borrower = Codec(configuration, parameters: parameters, lanes: 2, pool: pool)
    borrower.borrowArenas(of: lender)
    #expect(try borrower.encode(Self.images) == expected)
  }

  /// A reconstruction's own account of itself.
  @Test func latentsAndTheQuantizationErrorAreThoseOfTheTokens() throws {
    let quantizer = Self.quantizers[2]
    let configuration = Self.configuration(quantizer)
    let parameters = Self.parameters(configuration)
    let codec = Codec(
      configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let codebook = parameters.read(
      parameter: parameters.layout.index(of: "quantize.embedding.weight")!)
    for result in try codec.reconstruct(Self.images) {
      let tokens = result.tokens.indices
      #expect(result.latents.count == tokens.count * 3)
      var total = 0.0
      for (row, token) in tokens.enumerated() {
        func distance(_ code: Int) -> Double {
          (0..<3).reduce(0.0) {
            let difference = Double(result.latents[row * 3 + $1]) - Double(codebook[code * 3 + $1])
            return $0 + difference * difference
          }
        }
        let nearest = (0..<20).min { distance($0) < distance($1) }
        #expect(nearest == Int(token))
        total += distance(Int(token))
      }
      #expect(abs(total / Double(tokens.count) - result.quantizationError) < 1e-5)
    }
  }

  @Test(arguments: quantizers, [Int32(-1), .max, .min])
  func aTokenOutOfRangeIsRefused(_ quantizer: QuantizerConfiguration, _ token: Int32) throws {
    let codec = Self.codec(quantizer)
    func grid(_ last: Int32) -> TokenGrid {
      let zeros = [Int32](repeating: 0, count: 2 * quantizer.depth - 1)
      return TokenGrid(height: 1, width: 2, depth: quantizer.depth, indices: zeros + [last])
    }
    let good = grid(Int32(quantizer.codebookSize - 1))
    #expect(try codec.decode([good]).count == 1)
    for bad in [token, Int32(quantizer.codebookSize)] {
      let error = CodecError.tokenOutOfRange(
        image: 1, token: bad, codebookSize: quantizer.codebookSize)
      #expect(throws: error) {
        try codec.decode([good, grid(bad)])
      }
      #expect(error.description.contains("image 2 holds token \(bad)"))
    }
  }

  @Test(arguments: quantizers)
  func damagedWeightsAreRefused(_ quantizer: QuantizerConfiguration) throws {
    let configuration = Self.configuration(quantizer)
    let parameters = Self.parameters(configuration)
    let codec = Codec(
      configuration, parameters: parameters, lanes: 2, pool: LanePool(threads: 2))
    _ = try codec.encode(Self.images)
    let bias = parameters.layout.index(of: "quant_conv.bias")!
    parameters.write(
      Array(repeating: .nan, count: parameters.layout.parameters[bias].shape.count),
      toParameter: bias)
    #expect(throws: CodecError.notFinite(image: 0)) { try codec.encode(Self.images) }
    #expect(throws: CodecError.notFinite(image: 0)) { try codec.reconstruct(Self.images) }
  }

  @Test func nothingComesOfNothing() throws {
    let codec = Self.codec(Self.quantizers[0])
    #expect(try codec.encode([]).isEmpty)
    #expect(try codec.decode([]).isEmpty)
    #expect(try codec.reconstruct([]).isEmpty)
  }

  /// More sizes than plans are kept: old ones are made anew.
  @Test func manySizes() throws {
    let codec = Self.codec(Self.quantizers[0])
    let images = (1...9).map { Image(width: 4 * $0, height: 4, filledWith: PixelColor(9, 80, 200)) }
    let first = try codec.encode(images)
    #expect(try codec.encode(images.reversed()) == first.reversed())
  }

  /// A codec that nobody needs any more gives its memory and its threads back.
  @Test func aCodecIsReleased() throws {
    weak var remains: Codec<CPUBackend>?
    do {
      let codec = Self.codec(Self.quantizers[0])
      remains = codec
      let grids = try codec.encode(Self.images)
      _ = try codec.decode(grids)
      _ = try codec.reconstruct(Self.images)
    }
    #expect(remains == nil)
  }
}
