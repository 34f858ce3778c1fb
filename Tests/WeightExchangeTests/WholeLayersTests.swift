import Autodiff
import FileTestSupport
import Safetensors
import TestSupport
import Testing
import Tokenizers
import WeightExchange

/// A compressed model, written for diffusers, is a whole one that computes the same.
@Suite("Whole layers")
struct WholeLayersTests {
  /// Factors in both orders, of filters with a stride, of 1x1 and of linear maps; a block of less width, of which a
  /// convolution has two factors too.
  private static let reduced = ReducedLayers(
    ranks: [
      "encoder.conv_in": 2, "encoder.down_blocks.0.downsamplers.0.conv": 3,
      "encoder.down_blocks.1.resnets.0.conv_shortcut": 5, "quant_conv": 2,
      "encoder.mid_block.attentions.0.to_q": 4, "encoder.mid_block.attentions.0.to_out.0": 6,
      "decoder.up_blocks.0.upsamplers.0.conv": 7, "decoder.mid_block.resnets.1.conv1": 3,
    ],
    pointwiseFirst: [
      "encoder.down_blocks.0.downsamplers.0.conv", "decoder.up_blocks.0.upsamplers.0.conv",
    ],
    widths: ["decoder.mid_block.resnets.1": 8, "encoder.down_blocks.0.resnets.0": 4])

  private static func configuration(_ reduced: ReducedLayers) -> TokenizerConfiguration {
    var model = ModelConfiguration(
      channels: [8, 16], latentChannels: 3, middleAttention: true, normGroups: 4)
    model.compression = reduced
    return TokenizerConfiguration(
      model: model, quantizer: .vq(VectorConfiguration(codebookSize: 8, codeDimension: 3)))
  }

  /// The graph of a round trip without quantization, whose rounding would hide what differs.
  private static func record(
    _ configuration: TokenizerConfiguration
  ) -> (graph: Graph, outputs: [String: Tensor]) {
    let graph = Graph()
    let tokenizer = Tokenizer(configuration, in: Scope(graph))
    let latents = tokenizer.latents(of: graph.input("images", [2, 8, 12, 3]))
    return (graph, ["latents": latents, "decoded": tokenizer.decode(latents)])
  }

  @Test func theWholeModelComputesTheSame() throws {
    let folder = try ScratchFolder()
    let small = Self.configuration(Self.reduced)
    let (graph, outputs) = Self.record(small)
    let run = GraphRun(graph, outputs: outputs)
    var tensors: [(name: String, shape: [Int], values: [Float])] = []
    for parameter in graph.parameters {
      let shape = parameter.fileShape.dimensions
      let values = HashedNumbers.values(
        parameter.name, count: parameter.shape.count, amplitude: 0.3)
      run.set(parameter.name, values)
      tensors.append((parameter.name, shape, values))
    }
    try SafetensorsWriter.write(tensors, to: folder.file("model.safetensors"))
    let images = HashedNumbers.values("images", count: 2 * 8 * 12 * 3)
    let expected = run.run(["images": images])

    let export = try DiffusersExport(small, imageSize: 8, name: "c")
    try export.write(to: folder.path, weights: folder.file("model.safetensors"))
    let file = try SafetensorsFile(path: folder.file(DiffusersExport.files[1]))
    let (whole, wholeOutputs) = Self.record(Self.configuration(ReducedLayers()))
    let again = GraphRun(whole, outputs: wholeOutputs)
    #expect(Set(file.entries.map(\.name)) == Set(whole.parameters.map(\.name)))
    for parameter in whole.parameters {
      #expect(try file.entry(parameter.name).shape == parameter.fileShape.dimensions)
      again.set(parameter.name, try file.floats(parameter.name))
    }
    let found = again.run(["images": images])
    for name in ["latents", "decoded"] {
      let (a, b) = (try #require(expected[name]), try #require(found[name]))
      let largest = a.map { abs($0) }.max() ?? 0
      #expect(largest > 0.05, "\(name) are all alike")
      let difference = zip(a, b).map { abs($0 - $1) }.max() ?? .infinity
      #expect(difference < 1e-4 * max(1, largest), "\(name) differ by \(difference)")
    }
  }
}
