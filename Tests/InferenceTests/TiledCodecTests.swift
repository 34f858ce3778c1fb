import Autodiff
import CPUBackend
import Execution
import Imaging
import Inference
import Synchronization
import TestSupport
import Testing
import Tokenizers

/// An image in tiles becomes, bit by bit, what it becomes as a whole.
struct TiledCodecTests {
  /// A network, with an image whose sides are multiples of its downsampling and of little else.
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let model: ModelConfiguration
    var quantizer = QuantizerConfiguration.fsq(FiniteScalarConfiguration(levels: [5, 4, 3]))
    var size = (height: 28, width: 44)
    var testDescription: String { name }

    var configuration: TokenizerConfiguration {
      TokenizerConfiguration(model: model, quantizer: quantizer)
    }
  }

  private static func model(
    _ channels: [Int], blocks: Int = 1, attentionLevels: [Int] = [], middle: Bool = false,
    change: (inout ModelConfiguration) -> Void = { _ in }
  ) -> ModelConfiguration {
    var model = ModelConfiguration(
      channels: channels, blocksPerLevel: blocks, latentChannels: 4,
      attentionLevels: attentionLevels, middleAttention: middle, normGroups: 4)
    change(&model)
    return model
  }

  static let cases: [Case] = [
    Case(name: "one level", model: model([8]), size: (19, 33)),
    Case(name: "two levels", model: model([8, 16]), size: (38, 54)),
    Case(name: "three levels", model: model([8, 16, 16])),
    Case(name: "four levels", model: model([8, 8, 12, 16]), size: (32, 56)),
    Case(name: "two blocks a level", model: model([8, 16, 16], blocks: 2), size: (36, 52)),
    Case(name: "channels that fill no vector", model: model([20, 36])),
    Case(name: "channels beyond a vector", model: model([32, 48]), size: (26, 42)),
    Case(name: "a strip", model: model([8, 16, 16]), size: (4, 200)),
    Case(name: "a column", model: model([8, 16, 16]), size: (132, 4)),
    Case(name: "a token", model: model([8, 16, 16]), size: (4, 4)),
    Case(name: "attention in the middle", model: model([8, 16, 16], middle: true)),
    Case(
      name: "attention at two levels",
      model: model([8, 16, 16], blocks: 2, attentionLevels: [1, 2], middle: true)),
    Case(
      name: "a patch of 2, in [0, 1]",
      model: model([8, 16]) {
        $0.layout.patch = 2
        ($0.layout.inputScale, $0.layout.inputOffset) = (0.5, 0.5)
      }),
    Case(
      name: "a patch of 4 and odd blocks",
      model: model([8, 16]) {
        $0.layout.patch = 4
        ($0.layout.encoderBlocks, $0.layout.decoderBlocks) = ([2, 1], [1, 3])
        $0.layout.middleBlocks = 3
      }, size: (32, 56)),
    Case(
      name: "halvings padded around",
      model: model([8, 16, 16]) { $0.layout.halvingPadding = .around }),
    Case(
      name: "depth to space",
      model: model([8, 16, 16]) {
        $0.layout.doubling = .depthToSpace
        $0.layout.decoderChannels = [12, 8, 16]
      }),
    Case(
      name: "adaptive normalizations",
      model: model([8, 16, 16]) { $0.layout.adaptiveNorm = true }),
    Case(
      name: "as MAGVIT's",
      model: model([8, 16, 16], middle: true) {
        $0.layout.adaptiveNorm = true
        $0.layout.doubling = .depthToSpace
        ($0.layout.halvings, $0.layout.doublings) = ([0, 1], [1, 2])
      }, quantizer: .lfq(LookupFreeConfiguration(bits: 5))),
    Case(
      name: "kl", model: model([8, 16, 16]), quantizer: .kl(KLConfiguration(channels: 3))),
    Case(
      name: "not quantized", model: model([8, 16]),
      quantizer: .plain(PlainConfiguration(channels: 4))),
  ]

  /// Another network's bottleneck each.
  static let bottlenecks: [Case] = CodecTests.quantizers.map {
    Case(
      name: "\($0.kind) \($0.chosen.sizeText)", model: model([8, 16]), quantizer: $0,
      size: (20, 28))
  }

  static func image(_ size: (height: Int, width: Int), _ name: String = "tiled") -> Image {
    let numbers = HashedNumbers.values(name, count: size.height * size.width * 3)
    return Image(
      width: size.width, height: size.height, pixels: numbers.map { UInt8(($0 + 1) * 127.5) })
  }

  static func codecs(
    _ configuration: TokenizerConfiguration, memory: Int, lanes: Int = 2
  ) -> (whole: Codec<CPUBackend>, tiled: TiledCodec<CPUBackend>) {
    let parameters = CodecTests.parameters(configuration)
    let pool = LanePool(threads: lanes)
    return (
      Codec(configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1)),
      TiledCodec(
        configuration, parameters: parameters, lanes: lanes, pool: pool, memory: memory)
    )
  }

  /// What becomes of an image, both ways.
  ///
  /// - Parameter isComplete: whether by all tasks, which are made of the same networks; else by the one that
  ///   has all of them in it.
  private func compare(
    _ one: Case, _ whole: Codec<CPUBackend>, _ tiled: TiledCodec<CPUBackend>,
    isComplete: Bool = true
  ) throws {
    let image = Self.image(one.size)
    let expected = try whole.reconstruct([image])[0]
    let found = try tiled.reconstruct(image)
    #expect(found.latents.map(\.bitPattern) == expected.latents.map(\.bitPattern))
    #expect(found.tokens == expected.tokens)
    #expect(found.image == expected.image)
    #expect(found.quantizationError == expected.quantizationError)
    #expect(found.divergences.map(\.bitPattern) == expected.divergences.map(\.bitPattern))
    guard isComplete else { return }
    #expect(try tiled.vectors(of: image) == whole.vectors(of: [image])[0])
    guard one.quantizer.isContinuous else {
      #expect(try tiled.encode(image) == expected.tokens)
      #expect(try tiled.decode(expected.tokens) == expected.image)
      return
    }
    let latents = try whole.latents(of: [image])[0]
    #expect(try tiled.latents(of: image) == latents)
    #expect(try tiled.decode(latents: latents) == expected.image)
    if one.quantizer.chosen.drawsNoise {
      #expect(
        try tiled.latents(of: image, drawnBy: 7) == whole.latents(of: [image], drawnBy: [7])[0])
    }
  }

  @Test(arguments: cases, [[4, 8], [16, 12], [64, 64]])
  func tilesOfAnySize(_ one: Case, _ tile: [Int]) throws {
    let (whole, tiled) = Self.codecs(one.configuration, memory: 1 << 30)
    tiled.forcedTile = (tile[0], tile[1])
    try compare(one, whole, tiled, isComplete: tile == [16, 12])
  }

  @Test(arguments: bottlenecks)
  func everyBottleneck(_ one: Case) throws {
    let (whole, tiled) = Self.codecs(one.configuration, memory: 1 << 30, lanes: 3)
    tiled.forcedTile = (16, 16)
    try compare(one, whole, tiled)
  }

  /// From what stores everything down to what stores nothing, until it is refused.
  @Test(arguments: cases)
  func everyMemory(_ one: Case) throws {
    var (memory, tried) = (1 << 23, 0)
    while memory > 1 << 12 {
      let (whole, tiled) = Self.codecs(one.configuration, memory: memory)
      do throws(TilingShortage) {
        try tiled.check(.reconstruct, height: one.size.height, width: one.size.width)
      } catch {
        #expect(error.bytes > memory)
        break
      }
      try compare(one, whole, tiled, isComplete: tried == 2)
      tried += 1
      memory = memory * 5 / 8
    }
    #expect(tried > 1)
    #expect(memory > 1 << 12, "everything fits into nothing")
  }

  /// All tiles are told of, and a stop between two of them ends the image; the next one is as ever.
  @Test(arguments: [cases[2], cases[10], cases[18]]) func stopsBetweenTiles(_ one: Case) throws {
    let (whole, tiled) = Self.codecs(one.configuration, memory: 1 << 30)
    tiled.forcedTile = (16, 16)
    let image = Self.image(one.size)
    let told = Mutex<[TilingProgress]>([])
    tiled.progress = { progress in told.withLock { $0.append(progress) } }
    let expected = try tiled.reconstruct(image).image
    let all = told.withLock { $0 }
    let passes = try #require(all.first).passes
    #expect(Set(all.map(\.pass)) == Set(1...passes))
    for (one, next) in zip(all, all.dropFirst()) {
      #expect((one.pass, one.share) <= (next.pass, next.share))
      #expect(0...1 ~= next.share)
    }
    for stop in [0, 1, all.count / 2, all.count - 2] {
      told.withLock { $0 = [] }
      tiled.shouldStop = { told.withLock { $0.count >= stop } }
      #expect(throws: CancellationError.self) { try tiled.reconstruct(image) }
      // Each lane may be in a tile, and a pass begin.
      #expect(told.withLock { $0.count } <= stop + 3)
    }
    tiled.shouldStop = { false }
    #expect(try tiled.reconstruct(image).image == expected)
    #expect(try whole.reconstruct([image])[0].image == expected)
  }

  /// Through the protocol both do the same, and tell which image is at fault.
  @Test func bothAreImageCodecs() throws {
    let one = Self.cases[2]
    let (whole, tiled) = Self.codecs(one.configuration, memory: 1 << 24)
    let images = [Self.image((12, 20)), Self.image((24, 8), "other")]
    let grids = try (whole as any ImageCodec).encode(images)
    let codec: any ImageCodec = tiled
    #expect(try codec.encode(images) == grids)
    #expect(try codec.decode(grids) == whole.decode(grids))
    #expect(try codec.vectors(of: images) == whole.vectors(of: images))
    #expect(try codec.reconstruct(images).map(\.image) == whole.decode(grids))
    let sizes = images.map { (height: $0.height, width: $0.width) }
    let numbers = try codec.encode(sizes) { images[$0].write(normalizedTo: $1) }
    #expect(numbers == grids)
    let wrong = TokenGrid(height: 1, width: 1, indices: [60])
    #expect(throws: CodecError.tokenOutOfRange(image: 1, token: 60, codebookSize: 60)) {
      try codec.decode([grids[0], wrong])
    }
  }

  /// The less memory, the more is computed again; by the estimate, which is above what is measured.
  @Test func decodingCostsLittleMoreThanTwiceAtAThirdOfTheMemory() throws {
    let configuration = Case(name: "", model: Self.model([16, 32, 64])).configuration
    let whole = Self.codecs(configuration, memory: 0).whole
    let bytes = whole.laneBytes(.decode, height: 2000, width: 2000)
    let costs = try [1, 3, 6].map { share in
      try Self.codecs(configuration, memory: bytes / share).tiled
        .relativeCost(.decode, height: 2000, width: 2000)
    }
    #expect(costs[0] < 1.5)
    #expect(costs[1] < 2.2)
    #expect(costs == costs.sorted())
    #expect(costs[0] > 0.9)
  }

  @Test func attentionThatDoesNotFitIsNamed() throws {
    let one = Case(
      name: "", model: Self.model([8, 16, 16], middle: true), size: (height: 1600, width: 1600))
    let (_, tiled) = Self.codecs(one.configuration, memory: 34_000_000)
    let error = #expect(throws: TilingShortage.self) {
      try tiled.check(.encode, height: one.size.height, width: one.size.width)
    }
    #expect(error?.layer?.hasPrefix("encoder.mid_block.attentions.0") == true, "\(error as Any)")
    // Without attention it fits.
    let (_, other) = Self.codecs(
      Case(name: "", model: Self.model([8, 16, 16])).configuration, memory: 34_000_000)
    try other.check(.encode, height: one.size.height, width: one.size.width)
  }

  @Test func damagedWeightsAndTokensAreRefused() throws {
    let configuration = Self.cases[2].configuration
    let parameters = CodecTests.parameters(configuration)
    let bias = try #require(parameters.layout.index(of: "quant_conv.bias"))
    parameters.write([.nan, 0, 0], toParameter: bias)
    let tiled = TiledCodec(
      configuration, parameters: parameters, lanes: 1, pool: LanePool(threads: 1), memory: 1 << 28)
    #expect(throws: CodecError.notFinite(image: 0)) {
      try tiled.encode(Self.image((12, 12)))
    }
    #expect(throws: CodecError.tokenOutOfRange(image: 0, token: 60, codebookSize: 60)) {
      try tiled.decode(TokenGrid(height: 1, width: 1, indices: [60]))
    }
  }
}
