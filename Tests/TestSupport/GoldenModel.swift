import Tokenizers

/// A golden autoencoder: its configuration, and the weights and images that the rule of
/// `Tests/Golden/hashed_values.py` gives it.
public struct GoldenModel {
  /// What diffusers computed.
  public let file: GoldenFile
  /// What its `VQModel` is here.
  public let configuration: TokenizerConfiguration
  /// The names and shapes of all tensors of a checkpoint.
  public let parameters: [(name: String, shape: [Int])]

  private struct Unreadable: Error {}

  /// Opens a file by its name without the ending.
  public init(_ name: String) throws {
    file = try GoldenFile(name)
    guard let settings = try file.json("configuration") as? [String: Any],
      let rows = try file.json("parameters") as? [[Any]],
      let blocks = settings["down_block_types"] as? [String],
      let channels = settings["block_out_channels"] as? [Int]
    else { throw Unreadable() }
    func integer(_ key: String) -> Int { settings[key] as? Int ?? 0 }
    configuration = TokenizerConfiguration(
      model: ModelConfiguration(
        channels: channels, blocksPerLevel: integer("layers_per_block"),
        latentChannels: integer("latent_channels"),
        attentionLevels: blocks.indices.filter { blocks[$0].hasPrefix("Attn") },
        middleAttention: settings["mid_block_add_attention"] as? Bool ?? false,
        normGroups: integer("norm_num_groups")),
      quantizer: .vq(
        VectorConfiguration(
          codebookSize: integer("num_vq_embeddings"), codeDimension: integer("vq_embed_dim"),
          gradient: .straightThrough, codebookWeight: 1, commitmentWeight: 0.25)))
    parameters = rows.map { ($0[0] as? String ?? "", $0[1] as? [Int] ?? []) }
  }

  /// The images' extents, channels last.
  public var imageShape: [Int] {
    get throws {
      let shape = try file.shape("image")
      return [shape[0], shape[2], shape[3], shape[1]]
    }
  }

  /// The images, channels last, computed from the rule.
  public var images: [Float] {
    get throws {
      let shape = try file.shape("image")
      let count = shape.reduce(1, *)
      return TensorLayout.channelsLast(HashedNumbers.values("image", count: count), shape)
    }
  }

  /// A stored image or grid of vectors, channels last.
  public func image(_ name: String) throws -> [Float] {
    TensorLayout.channelsLast(try file.numbers(name), try file.shape(name))
  }

  /// Every parameter in the order of a checkpoint.
  public var weights: [(String, [Float])] {
    parameters.map { name, shape in
      let count = shape.reduce(1, *)
      if name == "quantize.embedding.weight" {
        let amplitude = Float(file.text("codebookAmplitude"))!
        return (name, HashedNumbers.values(name, count: count, amplitude: amplitude))
      }
      if shape.count >= 2 {
        let fanIn = Double(count / shape[0])
        var amplitude: Float = 1
        while fanIn > 3 / Double(amplitude * amplitude) { amplitude /= 2 }
        return (name, HashedNumbers.values(name, count: count, amplitude: amplitude))
      }
      if name.hasSuffix(".bias") {
        return (name, HashedNumbers.values(name, count: count, amplitude: 1 / 16))
      }
      return (name, HashedNumbers.values(name, count: count, amplitude: 1 / 4).map { 1 + $0 })
    }
  }
}
