import Testing
import Tokenizers
import WeightExchange

@Suite("ONNX export")
struct OnnxExportTests {
  /// Whatever a quantizer records is known, and depends on the size of images through extents alone.
  @Test(arguments: QuantizerConfiguration.standards.map(\.kind))
  func everyQuantizerIsTranslated(_ kind: String) throws {
    let quantizer = try #require(
      QuantizerConfiguration.standards.first { $0.kind == kind })
    let export = try OnnxExport(
      TokenizerConfiguration(
        model: ModelConfiguration(attentionLevels: [1], middleAttention: true),
        quantizer: quantizer), name: "c")
    #expect(export.nodeCounts.allSatisfy { $0 > 20 })
  }

  /// The extents of parameters, of which one is a multiple of the first prime there is, do not confuse it.
  @Test func primesDivideNoParameter() throws {
    let model = ModelConfiguration(channels: [37, 37 * 41], attentionLevels: [1], normGroups: 37)
    let codes = VectorConfiguration(codebookSize: 43 * 47, codeDimension: 53)
    #expect(throws: Never.self) {
      try OnnxExport(TokenizerConfiguration(model: model, quantizer: .vq(codes)), name: "c")
    }
    let primes = GridPrimes(avoiding: [37, 37 * 41, 43 * 47, 64])
    #expect(primes.values == [53, 59, 61])
    #expect(GridPrimes(avoiding: [], skipping: 1).values == [41, 43, 47])
    #expect(
      primes.extent(6 * 53 * 61 * 61) == OnnxExtent(factor: 6, powers: [1, 0, 2]))
    #expect(primes.extent(37 * 41).isKnown && !primes.extent(59).isKnown)
  }

  /// A file of more than 2 GB cannot be.
  @Test func tooManyWeightsAreRefused() throws {
    try OnnxExport.checkSize(2_000_000_000, name: "c")
    let error = #expect(throws: ExportError.self) {
      try OnnxExport.checkSize(2_200_000_000, name: "checkpoints/large")
    }
    let words = try #require(error).description
    #expect(words.contains("checkpoints/large") && words.contains("2200 MB"))
    #expect(words.contains("2147 MB") && words.contains("tessera compress"))
  }
}
