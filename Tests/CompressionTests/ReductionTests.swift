import Autodiff
import CPUBackend
import Compression
import Configuration
import Execution
import Layers
import LowRank
import TestSupport
import Testing
import Tokenizers

/// A smaller network against the whole one with weights that compute the same.
struct ReductionTests {
  static let configuration = TokenizerConfiguration(
    model: ModelConfiguration(
      channels: [16, 32], blocksPerLevel: 1, latentChannels: 4, attentionLevels: [1],
      middleAttention: true, normGroups: 8))

  /// A network's reconstruction of an image, which no rounding in the middle hides differences of.
  private struct Network {
    let run: GraphRun
    let layers: [CompressibleLayer]
    let graph: Graph

    init(_ configuration: TokenizerConfiguration) {
      graph = Graph()
      let tokenizer = Tokenizer(configuration, in: Scope(graph))
      let latents = tokenizer.latents(of: graph.input("images", [1, 16, 16, 3]))
      let images = tokenizer.decode(latents)
      layers = CompressibleLayer.all(in: graph)
      run = GraphRun(graph, outputs: ["images": images, "latents": latents])
    }

    func images() -> [Float] {
      run.run(["images": HashedNumbers.values("pixels", count: 16 * 16 * 3)])["images"]!
    }

    var tensors: [String: [Float]] { run.parameters.tensors }
  }

  /// A whole network with weights that are far from their start, where norms are 1 and biases small.
  private static func whole() -> Network {
    let network = Network(configuration)
    for parameter in network.run.parameters.layout.parameters {
      let values = HashedNumbers.values(parameter.name, count: parameter.shape.count)
      let isNorm = parameter.name.contains("norm") && parameter.name.hasSuffix("weight")
      let scale = parameter.shape.rank == 4 ? 0.5 : 0.3
      network.run.set(parameter.name, values.map { (isNorm ? 1 : 0) + Float(scale) * $0 })
    }
    return network
  }

  /// Compares the whole network with stand-ins and the small one with its own tensors.
  private static func difference(_ reduction: any Reduction, size: Int) throws -> Double {
    let (network, original) = (whole(), whole().tensors)
    for (name, numbers) in try reduction.standIns(size: size) { network.run.set(name, numbers) }
    var smaller = configuration
    reduction.note(size: size, in: &smaller.model.compression)
    try smaller.validate()
    let small = Network(smaller)
    let own = try reduction.tensors(size: size)
    for parameter in small.run.parameters.layout.parameters {
      small.run.set(parameter.name, own[parameter.name] ?? original[parameter.name]!)
    }
    let count = own.reduce(0) { $0 + $1.value.count }
    // Biases that the layer has, but for the norms that a block has too.
    let extra = reduction is ChannelSelection ? 2 * size : 0
    let bias = reduction is ChannelSelection ? reduction.wholeCost.parameters : 0
    if bias == 0 { #expect(count == reduction.cost(size: size).parameters, "\(reduction.name)") }
    if bias > 0 {
      let outputs = original[reduction.name + ".conv2.bias"]!.count
      #expect(count == reduction.cost(size: size).parameters + extra - outputs)
    }
    return largestDifference(network.images(), small.images())
  }

  private static func largestDifference(_ a: [Float], _ b: [Float]) -> Double {
    zip(a, b).reduce(0) { max($0, Double(abs($1.0 - $1.1))) }
  }

  @Test func everyLayerAsTwoFactorsComputesWhatItsProductDoes() throws {
    let network = Self.whole()
    let families = try Factorization.families(of: network.layers, network.tensors)
    // Convolutions of 3x3, with a stride, after upsampling and of 1x1, and attention's maps.
    for name in [
      "encoder.down_blocks.0.resnets.0.conv1", "encoder.down_blocks.0.downsamplers.0.conv",
      "decoder.up_blocks.0.upsamplers.0.conv", "encoder.down_blocks.1.resnets.0.conv_shortcut",
      "encoder.mid_block.attentions.0.to_q", "encoder.mid_block.attentions.0.to_out.0",
      "decoder.up_blocks.1.resnets.0.conv1",
    ] {
      let family = try #require(families.first { $0[0].name == name }, "\(name)")
      #expect(family.count == (name.contains("shortcut") || name.contains("to_") ? 1 : 2))
      for reduction in family {
        #expect(try Self.difference(reduction, size: 5) < 2e-4, "\(name)")
        // All of the rank is the layer itself.
        let layer = try #require(network.layers.first { $0.name == name })
        let whole =
          layer.kernel == 1
          ? reduction.wholeSize : reduction.sizeOfAll(layer.inputs, layer.outputs)
        let same = try reduction.standIns(size: whole)[name + ".weight"]!
        #expect(Self.largestDifference(same, network.tensors[name + ".weight"]!) < 1e-5)
      }
    }
    // Few channels on one side, as images and latents have, are no rank to lose.
    #expect(!families.contains { $0[0].name.hasSuffix("conv_in") || $0[0].name == "quant_conv" })
  }

  /// The error of the stand-in is Eckart's and Young's, in either form.
  @Test func aFactorizationIsTheBestOfItsRank() throws {
    let network = Self.whole()
    let layer = try #require(
      network.layers.first { $0.name.hasSuffix("mid_block.resnets.0.conv1") })
    let weight = network.tensors[layer.name + ".weight"]!
    for isPointwiseFirst in [false, true] {
      let reduction = try Factorization(
        layer, weight: weight, bias: nil, isPointwiseFirst: isPointwiseFirst)
      let k = layer.kernel * layer.kernel
      // Memory order [kh, kw, in, out], as the unfolding of the library wants it.
      let turned = (0..<weight.count).map { place in
        let (rest, output) = place.quotientAndRemainder(dividingBy: layer.outputs)
        let (tap, input) = rest.quotientAndRemainder(dividingBy: layer.inputs)
        return weight[(output * layer.inputs + input) * k + tap]
      }
      let matrix = Matrix(
        kernel: turned,
        shape: KernelShape(height: 3, width: 3, inputs: layer.inputs, outputs: layer.outputs),
        unfolding: isPointwiseFirst ? .byInput : .byOutput)
      let least = try SingularValueDecomposition(matrix).error(rank: 7)
      let standIn = try reduction.standIns(size: 7)[layer.name + ".weight"]!
      let error = zip(weight, standIn).reduce(0.0) {
        $0 + Double($1.0 - $1.1) * Double($1.0 - $1.1)
      }.squareRoot()
      #expect(abs(error - least) < 1e-5 * least)
      for share in [0.5, 0.9, 1] {
        let rank = reduction.size(keepingEnergy: share)
        let total = matrix.frobeniusNorm * matrix.frobeniusNorm
        func lost(_ rank: Int) throws -> Double {
          let error = try SingularValueDecomposition(matrix).error(rank: rank)
          return error * error
        }
        #expect(try lost(rank) <= (1 - share) * total + 1e-9)
        if rank > 1 { #expect(try lost(rank - 1) > (1 - share) * total) }
      }
    }
  }

  private static func activations(_ network: Network, _ block: String) -> Matrix {
    let layer = network.layers.first { $0.name == block + ".conv2" }!
    let tensor = network.graph.tensor(of: layer.source)
    let run = GraphRun(network.graph, outputs: ["a": tensor])
    for (name, numbers) in network.tensors { run.set(name, numbers) }
    let numbers = run.run(["images": HashedNumbers.values("pixels", count: 16 * 16 * 3)])["a"]!
    let channels = tensor.shape.channels
    return Matrix(
      rows: numbers.count / channels, columns: channels, elements: numbers.map(Double.init))
  }

  @Test(arguments: [
    "encoder.down_blocks.0.resnets.0", "encoder.down_blocks.1.resnets.0",
    "decoder.mid_block.resnets.1", "decoder.up_blocks.1.resnets.0",
  ])
  func aBlockWithFewerChannelsComputesWhatItsStandInDoes(_ block: String) throws {
    let network = Self.whole()
    let selection = try ChannelSelection(
      block, network.layers, groups: 8, activations: Self.activations(network, block),
      weights: network.tensors)
    let group = selection.wholeSize / 8
    for size in [group, 3 * group, 7 * group] {
      #expect(try Self.difference(selection, size: size) < 5e-4, "\(size)")
    }
    for size in selection.sizes { #expect(size % group == 0 && size < selection.wholeSize) }
    #expect(!selection.sizes.isEmpty)
  }

  /// Groups that repeat others are left out, and nothing is lost: their statistics are their own.
  @Test func repeatedGroupsOfChannelsCostNothing() throws {
    let network = Self.whole()
    let block = "decoder.up_blocks.0.resnets.0"
    var tensors = network.tensors
    // Groups of 4 channels: the last four of eight repeat the first four.
    for name in ["conv1.weight", "conv1.bias", "norm2.weight", "norm2.bias"] {
      let numbers = tensors[block + "." + name]!
      tensors[block + "." + name] =
        Array(numbers.prefix(numbers.count / 2))
        + Array(numbers.prefix(numbers.count / 2))
    }
    for (name, numbers) in tensors { network.run.set(name, numbers) }
    let before = network.images()
    let selection = try ChannelSelection(
      block, network.layers, groups: 8, activations: Self.activations(network, block),
      weights: network.tensors)
    #expect(selection.size(keepingEnergy: 1 - 1e-9) == 16)
    for (name, numbers) in try selection.standIns(size: 16) { network.run.set(name, numbers) }
    #expect(Self.largestDifference(before, network.images()) < 5e-4)
  }

  /// Where nothing is left of any channel, others come along: the size is what was asked for.
  @Test func emptyActivationsKeepTheSize() throws {
    let network = Self.whole()
    let block = "encoder.mid_block.resnets.0"
    let selection = try ChannelSelection(
      block, network.layers, groups: 8,
      activations: Matrix(rows: 40, columns: 32) { row, column in column == 5 ? Double(row) : 0 },
      weights: network.tensors)
    #expect(try Self.difference(selection, size: 12) < 1e-3)
    let tensors = try selection.tensors(size: 12)
    #expect(tensors[block + ".conv1.bias"]!.count == 12)
  }
}

extension Reduction {
  /// The rank at which a filter in two factors is the whole one.
  fileprivate func sizeOfAll(_ inputs: Int, _ outputs: Int) -> Int {
    (self as? Factorization)?.isPointwiseFirst == true ? inputs : outputs
  }
}
