import Files
import Testing
import Tokenizers
import WeightExchange

@Suite("diffusers export")
struct DiffusersExportTests {
  private func export(
    _ quantizer: QuantizerConfiguration, _ model: ModelConfiguration = ModelConfiguration()
  ) throws -> DiffusersExport {
    try DiffusersExport(
      TokenizerConfiguration(model: model, quantizer: quantizer), imageSize: 48, name: "runs/c")
  }

  /// `up_block_types` begin with the lowest level.
  @Test func levelsAreNamedInTheOrderOfEachSide() throws {
    let model = ModelConfiguration(
      channels: [32, 64, 96], blocksPerLevel: 2, latentChannels: 5, attentionLevels: [2],
      middleAttention: true, normGroups: 16)
    let vq = try export(.vq(VectorConfiguration(codebookSize: 77, codeDimension: 3)), model)
    #expect(vq.className == "VQModel")
    let (plain, up) = (JSONValue.string("DownEncoderBlock2D"), "UpDecoderBlock2D")
    #expect(
      vq.configuration["down_block_types"]
        == .array([plain, plain, .string("AttnDownEncoderBlock2D")]))
    #expect(
      vq.configuration["up_block_types"]
        == .array([.string("Attn" + up), .string(up), .string(up)]))
    let numbers = [
      "num_vq_embeddings": 77, "vq_embed_dim": 3, "latent_channels": 5, "layers_per_block": 2,
      "norm_num_groups": 16, "sample_size": 48, "in_channels": 3,
    ]
    for (key, value) in numbers { #expect(vq.configuration[key] == .integer(value), "\(key)") }
    #expect(vq.configuration["mid_block_add_attention"] == .flag(true))
  }

  @Test func latentsHaveNoCodebook() throws {
    let kl = try export(.kl(KLConfiguration(channels: 4)))
    #expect(kl.className == "AutoencoderKL")
    #expect(kl.configuration["num_vq_embeddings"] == nil)
    #expect(kl.configuration["lookup_from_codebook"] == nil)
  }

  /// Each kind without a class of its own is refused by its name.
  @Test func othersAreRefused() throws {
    let allowed: Set<String> = ["vq", "cosine-vq", "simvq", "kl"]
    for quantizer in QuantizerConfiguration.standards where !allowed.contains(quantizer.kind) {
      let error = #expect(throws: ExportError.self) { try export(quantizer) }
      #expect(try #require(error).description.contains("\"\(quantizer.kind)\""))
    }
  }

  /// (3, 4) has length 5; a row of almost nothing has no direction.
  @Test func rowsGetTheLengthOne() {
    #expect(DiffusersExport.unitRows([3, 4, 1e-7, 0], dimension: 2) == [0.6, 0.8, 0, 0])
  }

  /// W c, W with the output channel first.
  @Test func rowsAreMapped() {
    let rows = DiffusersExport.mappedRows([1, 0, 2, 3], by: [1, 10, 100, 1000], dimension: 2)
    #expect(rows == [1, 100, 32, 3200])
  }
}
