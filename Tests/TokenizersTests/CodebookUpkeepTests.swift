import Autodiff
import CPUBackend
import TestSupport
import Testing
import Tokenizers

/// What moving averages leave to the graph, and what decoders see while quantization is deferred.
struct CodebookUpkeepTests {
  private static let ema = CodebookUpkeep(learning: .ema)

  @Test("a codebook that moving averages move is not trained, and has no loss")
  func noCodebookLoss() {
    for upkeep in [CodebookUpkeep(), Self.ema] {
      let graph = Graph()
      let quantizer = VectorQuantizer(
        VectorConfiguration(
          codebookSize: 3, codeDimension: 2, codebookWeight: 1, commitmentWeight: 0.25,
          upkeep: upkeep),
        in: Scope(graph))
      let quantized = quantizer.quantize(graph.input("z", [4, 2]))
      let run = GraphRun(graph, outputs: ["auxiliary": quantized.auxiliaryLoss!])
      run.set("embedding.weight", VectorFactsTests.codebook)
      let loss = run.run(["z": VectorFactsTests.z])["auxiliary"]![0]
      // VQ-2: the codebook loss is 0.1725, the commitment loss 0.043125.
      #expect(abs(loss - (upkeep == Self.ema ? 0.043125 : 0.1725 + 0.043125)) < 1e-6)
      #expect(graph.parameters.map(\.isTrained) == [upkeep != Self.ema])
    }
    let graph = Graph()
    _ = CosineQuantizer(CosineConfiguration(upkeep: Self.ema), in: Scope(graph)["cosine"])
    _ = ProductQuantizer(ProductConfiguration(upkeep: Self.ema), in: Scope(graph)["product"])
    _ = ResidualQuantizer(ResidualConfiguration(upkeep: Self.ema), in: Scope(graph)["residual"])
    #expect(graph.parameters.map(\.isTrained) == [false, false, false, false, false])
  }

  @Test("unquantized channels are on the scale of codes, and gradients reach the vectors")
  func continuous() {
    let z: [Float] = [0.3, -0.8, 1.2, -2, 0.1, 0.6]
    let bounds = FiniteScalarConfiguration.Bound.allCases
    let quantizers: [any Bottleneck] =
      bounds.map { FiniteScalarQuantizer(FiniteScalarConfiguration(levels: [5, 4, 3], bound: $0)) }
      + [
        CosineQuantizer(CosineConfiguration(codeDimension: 3), in: Scope(Graph())),
        VectorQuantizer(VectorConfiguration(codeDimension: 3), in: Scope(Graph())),
      ]
    for quantizer in quantizers.prefix(bounds.count) {
      let graph = Graph()
      let input = graph.input("z", [2, 3])
      let codes = quantizer.continuous(input)
      let gradient = graph.differentiate((codes * codes).sum(), withRespectTo: [input])[0]
      let target = quantizer.quantize(input).target
      let found = GraphRun(
        graph, outputs: ["codes": codes, "target": target, "gradient": gradient]
      ).run(["z": z])
      #expect(found["codes"] == found["target"])
      #expect(found["gradient"]!.allSatisfy { $0.isFinite && $0 != 0 })
    }
    let graph = Graph()
    let input = graph.input("z", [2, 3])
    let found = GraphRun(
      graph,
      outputs: [
        "directions": quantizers[bounds.count].continuous(input),
        "same": quantizers[bounds.count + 1].continuous(input),
      ]
    ).run(["z": z])
    #expect(found["same"] == z)
    for row in 0..<2 {
      let square = found["directions"]![row * 3..<row * 3 + 3].reduce(0) { $0 + $1 * $1 }
      #expect(abs(square - 1) < 1e-5)
    }
  }
}
