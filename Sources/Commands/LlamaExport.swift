import CPUBackend
import Configuration
import Files
import Foundation
import Priors
import Safetensors
import Training

/// A prior in the form of transformers' Llama.
struct LlamaExport {
  static let files = ["config.json", "generation_config.json", "model.safetensors"]

  private let model: PriorConfiguration
  private let space: TokenSpace
  private let classes: [String]

  /// Refuses what Llama cannot do.
  init(_ prior: OpenedPrior<Device>) throws {
    (model, space, classes) = (prior.run.model, prior.space, prior.tokens.classes)
    guard model.transformer.positions == .rope else {
      throw Failure(
        .badData,
        "\(prior.folder) was trained with model.positions \"\(model.transformer.positions.rawValue)\", "
          + "which Llama does not have. Train one with --set model.positions=rope to export it.")
    }
    guard space.depth == 1 || model.depth == .flattened else {
      throw Failure(
        .badData,
        "\(prior.folder) predicts the ids of a token by heads of its own (model.depth \"heads\"), which "
          + "Llama does not have. Train one with --set model.depth=flattened to export it.")
    }
  }

  /// Entries of the vocabulary.
  var vocabulary: Int { space.vocabulary }

  /// What a sequence begins with, in words.
  var beginning: String {
    let none = Int(space.entry(ofClass: nil))
    guard !classes.isEmpty else { return "\(none)" }
    let first = Int(space.entry(ofClass: 0))
    return "its class, \(first) (\(classes[0])) to \(none - 1), or \(none) for none"
  }

  func write(to folder: String, weights: String) throws {
    try AtomicFile.write(text(configuration), to: folder + "/" + Self.files[0])
    try AtomicFile.write(text(generation), to: folder + "/" + Self.files[1])
    let file = try SafetensorsFile(path: weights)
    let writer = try SafetensorsWriter(
      path: folder + "/" + Self.files[2],
      tensors: file.entries.map {
        TensorDeclaration(name: $0.name, type: $0.type, shape: $0.shape)
      }, metadata: ["format": "pt"])
    for entry in writer.entries {
      let outcome = try file.withBytes(of: file.entry(entry.name)) { bytes in
        Result { () throws(SafetensorsError) in try writer.append(bytes, to: entry.name) }
      }
      try outcome.get()
    }
    try writer.finish()
  }

  private var configuration: JSONObject {
    let shape = model.transformer
    var object = JSONObject([
      "architectures": .array([.string("LlamaForCausalLM")]), "model_type": .string("llama"),
      "vocab_size": .integer(vocabulary), "hidden_size": .integer(shape.width),
      "intermediate_size": .integer(shape.hiddenWidth),
      "num_hidden_layers": .integer(shape.layers), "num_attention_heads": .integer(shape.heads),
      "num_key_value_heads": .integer(shape.heads),
      "head_dim": .integer(shape.width / shape.heads),
      "max_position_embeddings": .integer(space.ids), "hidden_act": .string("silu"),
      "rms_norm_eps": .number(1e-6), "rope_theta": .number(10_000),
      "attention_bias": .flag(false), "mlp_bias": .flag(false),
      "tie_word_embeddings": .flag(false), "bos_token_id": .integer(vocabulary - 1),
      "eos_token_id": .null, "torch_dtype": .string("float32"),
    ])
    // Not of Llama: for whoever decodes what is drawn.
    object["tessera"] = .object(
      JSONObject([
        "codebook_size": .integer(space.codes), "depth": .integer(space.depth),
        "grid": .array([.integer(space.rows), .integer(space.columns)]),
        "order": .string(shape.order.rawValue),
        "classes": .array(classes.map(JSONValue.string)),
      ]))
    return object
  }

  private var generation: JSONObject {
    JSONObject([
      "bos_token_id": .integer(vocabulary - 1), "do_sample": .flag(true),
      "max_new_tokens": .integer(space.ids), "min_new_tokens": .integer(space.ids),
      "suppress_tokens": .array(
        (Int(space.entry(ofClass: 0))..<vocabulary).map(JSONValue.integer)),
    ])
  }

  private func text(_ object: JSONObject) -> String { JSONValue.object(object).prettyText + "\n" }
}
