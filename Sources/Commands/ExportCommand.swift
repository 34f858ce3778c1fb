import ArgumentParser
import CPUBackend
import Configuration
import Files
import Formatting
import Foundation
import Priors
import Safetensors
import Training

/// Writes a checkpoint as other programs read it.
public struct ExportCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "export", "Writes a prior as a folder that transformers in Python loads.")

  static let help = HelpText(
    paragraphs: [
      "The folder is one for LlamaForCausalLM.from_pretrained: config.json, model.safetensors, "
        + "generation_config.json. Ids are 0 to K - 1; the classes follow, and the last entry of "
        + "the vocabulary stands for no class: a sequence begins with one of them. "
        + "generation_config.json keeps generate() from drawing these.",
      "Priors with positions rope can be exported: rope2d turns by row and column, which Llama "
        + "does not know.",
    ],
    examples: [
      #"""
      export --checkpoint checkpoints/prior --to transformers \
        --output llama
      """#
    ])

  /// Programs that a checkpoint can be written for.
  enum Target: String, ExpressibleByArgument, CaseIterable {
    case transformers
  }

  @Option(help: ArgumentHelp("Folder of the trained prior.", valueName: "folder"))
  var checkpoint: String

  @Option(help: ArgumentHelp("What is to read it.", valueName: "transformers"))
  var to: Target

  @Option(help: ArgumentHelp("Folder to write; created if missing.", valueName: "folder"))
  var output: String

  @Flag(help: "Replace existing files.")
  var force = false

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--output", output)
  }

  /// Exports.
  public func run() throws {
    try conclude(options) { terminal in
      // Weights that are damaged are not passed on.
      let prior = try OpenedPrior(
        folder: checkpoint, weights: weights.file, backend: Device(), threads: 1)
      let export = try LlamaExport(prior)
      let files = LlamaExport.files.map { output + "/" + $0 }
      if !force, let present = files.first(where: FileManager.default.fileExists) {
        throw Failure(
          .cannotCreate,
          "\(present) is already there. Choose another --output, or add --force to replace it.")
      }
      do throws(FileError) { try Folder.make(output) } catch {
        throw Failure(cannotMakeFolder: output, error)
      }
      try export.write(to: output, weights: checkpoint + "/" + weights.file)
      terminal.result(
        "\(output): a LlamaForCausalLM of \(Display.count(export.vocabulary)) entries; a sequence "
          + "begins with " + export.beginning)
    }
  }
}

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
