import Autodiff
import Configuration
import Files
import Safetensors
import Tokenizers

/// A tokenizer as a folder that diffusers loads: its `VQModel`, or `AutoencoderKL` where latents are normal
/// distributions.
///
///     vq          as it is
///     cosine-vq   codebook rows of length 1: among these, the nearest code has the largest cosine
///     simvq       codebook rows mapped, e_j = W c_j
///     kl          as it is
///
/// Ids, latents and pixels are the same. Compressed layers become whole again (``WholeLayers``). diffusers has
/// no class for other quantizers, or for the networks of other families.
public struct DiffusersExport {
  /// The files that are written.
  public static let files = ["config.json", "diffusion_pytorch_model.safetensors"]

  /// The class that loads the folder.
  public let className: String
  /// What `config.json` says.
  public let configuration: JSONObject

  private let tokenizer: TokenizerConfiguration

  /// What of `model` diffusers can say; any other key that is written makes another network.
  private static let knownKeys: Set<String> = [
    "channels", "blocksPerLevel", "latentChannels", "attentionLevels", "middleAttention",
    "normGroups", "compression",
  ]

  /// Describes a tokenizer in the words of diffusers.
  ///
  /// - Parameters:
  ///   - tokenizer: what the weights are of.
  ///   - imageSize: the side of the images that it was trained on, which diffusers notes.
  ///   - name: what errors call the checkpoint.
  /// - Throws: where diffusers has no class for it.
  public init(
    _ tokenizer: TokenizerConfiguration, imageSize: Int, name: String
  ) throws(ExportError) {
    self.tokenizer = tokenizer
    try Self.checkNetworks(tokenizer.model, name: name)
    className = try Self.className(tokenizer, name: name)
    let model = tokenizer.model
    let levels = model.channels.indices
    func kinds(_ levels: some Sequence<Int>, _ kind: String) -> JSONValue {
      .array(levels.map { .string((model.attentionLevels.contains($0) ? "Attn" : "") + kind) })
    }
    var object = JSONObject([
      "_class_name": .string(className), "_diffusers_version": .string("0.30.0"),
      "act_fn": .string("silu"),
      "block_out_channels": .array(model.channels.map(JSONValue.integer)),
      "down_block_types": kinds(levels, "DownEncoderBlock2D"), "in_channels": .integer(3),
      "latent_channels": .integer(model.latentChannels),
      "layers_per_block": .integer(model.blocksPerLevel),
      "mid_block_add_attention": .flag(model.middleAttention),
      "norm_num_groups": .integer(model.normGroups), "out_channels": .integer(3),
      "sample_size": .integer(imageSize), "scaling_factor": .number(1),
      "up_block_types": kinds(levels.reversed(), "UpDecoderBlock2D"),
      "force_upcast": .flag(false),
    ])
    if case .kl(let quantizer) = tokenizer.quantizer {
      object["scaling_factor"] = .number(quantizer.scalingFactor)
      if quantizer.shiftFactor != 0 { object["shift_factor"] = .number(quantizer.shiftFactor) }
    }
    if !tokenizer.quantizer.isContinuous {
      object["norm_type"] = .string("group")
      object["num_vq_embeddings"] = .integer(tokenizer.quantizer.codebookSize)
      object["vq_embed_dim"] = .integer(tokenizer.quantizer.codeDimension)
      // Only then does `decode` take ids.
      object["lookup_from_codebook"] = .flag(true)
    }
    configuration = object
  }

  /// Refuses what `model` has beyond the networks of diffusers.
  private static func checkNetworks(_ model: ModelConfiguration, name: String) throws(ExportError) {
    guard case .object(let keys)? = try? JSONValue(parsing: model.resolved) else { return }
    guard let key = keys.keys.first(where: { !knownKeys.contains($0) }) else { return }
    throw ExportError(
      "\(name) has model.\(key), and diffusers' networks have no such layers. Use --to onnx, or "
        + "python/tessera.py, which load it as it is.")
  }

  /// The class for a quantizer.
  private static func className(
    _ tokenizer: TokenizerConfiguration, name: String
  ) throws(ExportError) -> String {
    switch tokenizer.quantizer {
    case .vq(let quantizer):
      // Anything but the distance is another quantizer.
      guard case .object(let keys)? = try? JSONValue(parsing: quantizer.resolved),
        case .string(let metric)? = keys["metric"], metric != "euclidean"
      else { return "VQModel" }
      throw ExportError(
        "\(name) has quantizer.metric \"\(metric)\", and diffusers' VQModel knows distances alone. Use "
          + "--to onnx, or python/tessera.py.")
    case .cosine, .simvq: return "VQModel"
    case .kl(let quantizer):
      guard quantizer.channels == tokenizer.model.latentChannels else {
        throw ExportError(
          "\(name) has quantizer.channels \(quantizer.channels) and model.latentChannels "
            + "\(tokenizer.model.latentChannels), which are one number in diffusers' AutoencoderKL. Use "
            + "--to onnx, or python/tessera.py; or train with both alike.")
      }
      return "AutoencoderKL"
    default:
      throw ExportError(
        "\(name) has quantizer.type \"\(tokenizer.quantizer.kind)\", for which diffusers has no class: it "
          + "has vq, cosine-vq, simvq and kl. Use --to onnx, or python/tessera.py.")
    }
  }

  /// Writes the folder's files; the weights last, each complete or not at all.
  ///
  /// - Parameters:
  ///   - folder: an existing folder.
  ///   - weights: the path of the checkpoint's weights.
  public func write(to folder: String, weights path: String) throws {
    let file = try SafetensorsFile(path: path)
    let layers = WholeLayers(reduced: tokenizer.model.compression, file: file)
    var whole = tokenizer
    whole.model.compression = ReducedLayers()
    let graph = Graph()
    _ = Tokenizer(whole, in: Scope(graph))
    let codebook = try codebook(of: file)
    // The tensors that are not those of the file.
    var made: [String: Parameter] = [:]
    let parameters = graph.parameters.filter { $0.name != Self.map }
    for parameter in parameters {
      let isCodebook = parameter.name == Self.codebook
      if try isCodebook ? codebook != nil : layers.isMade(parameter) {
        made[parameter.name] = parameter
      }
    }
    let writer = try SafetensorsWriter(
      path: folder + "/" + Self.files[1],
      tensors: try parameters.map { parameter in
        TensorDeclaration(
          name: parameter.name,
          type: made[parameter.name] == nil ? try file.entry(parameter.name).type : .f32,
          shape: parameter.fileShape.dimensions)
      }, metadata: ["format": "pt"])
    for entry in writer.entries {
      if let parameter = made[entry.name] {
        let values = entry.name == Self.codebook ? codebook : nil
        try writer.append(values ?? layers.values(of: parameter), to: entry.name)
        continue
      }
      let outcome = try file.withBytes(of: file.entry(entry.name)) { bytes in
        Result { () throws(SafetensorsError) in try writer.append(bytes, to: entry.name) }
      }
      try outcome.get()
    }
    try AtomicFile.write(
      JSONValue.object(configuration).prettyText + "\n", to: folder + "/" + Self.files[0])
    try writer.finish()
  }

  private static let codebook = "quantize.embedding.weight"
  private static let map = "quantize.embedding_proj.weight"

  /// The codebook of an equivalent `vq`, where it is not the one of the file.
  private func codebook(of file: SafetensorsFile) throws -> [Float]? {
    let dimension = tokenizer.quantizer.codeDimension
    switch tokenizer.quantizer {
    case .cosine: return Self.unitRows(try file.floats(Self.codebook), dimension: dimension)
    case .simvq:
      return Self.mappedRows(
        try file.floats(Self.codebook), by: try file.floats(Self.map), dimension: dimension)
    default: return nil
    }
  }

  /// Rows divided by their lengths; one shorter than 1e-6 becomes zeros.
  package static func unitRows(_ rows: [Float], dimension: Int) -> [Float] {
    var result = rows
    for start in stride(from: 0, to: rows.count, by: dimension) {
      let row = start..<start + dimension
      let length = row.reduce(0) { $0 + Double(rows[$1]) * Double(rows[$1]) }.squareRoot()
      for index in row { result[index] = length < 1e-6 ? 0 : Float(Double(rows[index]) / length) }
    }
    return result
  }

  /// `W c` for each row c, W `[d, d]`, output channel first.
  package static func mappedRows(_ rows: [Float], by map: [Float], dimension: Int) -> [Float] {
    var result = [Float](repeating: 0, count: rows.count)
    for start in stride(from: 0, to: rows.count, by: dimension) {
      for output in 0..<dimension {
        var sum = 0.0
        for input in 0..<dimension {
          sum += Double(map[output * dimension + input]) * Double(rows[start + input])
        }
        result[start + output] = Float(sum)
      }
    }
    return result
  }
}
