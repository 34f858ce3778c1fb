import ArgumentParser
import CPUBackend
import Datasets
import Files
import Formatting
import Foundation
import TokenFiles
import Training
import WeightExchange

/// Writes a checkpoint as other programs read it.
public struct ExportCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "export", "Writes a checkpoint as diffusers, ONNX Runtime or transformers load it.")

  static let help = HelpText(
    paragraphs: [
      "diffusers: a folder for VQModel.from_pretrained, or AutoencoderKL.from_pretrained where the "
        + "quantizer is kl. vq is written as it is, cosine-vq and simvq as the vq of the same ids; "
        + "diffusers has no class for the other quantizers. Compressed layers become whole again.",
      "onnx: encode.onnx, from pixels (bytes [N, H, W, 3]) to tokens (int64 [N, h, w], or "
        + "[N, h, w, depth]), and decode.onnx, from tokens to pixels; latents take the place of tokens "
        + "where nothing is quantized. All quantizers and compressed checkpoints can be written.",
      "transformers: a folder for LlamaForCausalLM.from_pretrained, of a prior. Ids are 0 to K - 1; "
        + "the classes follow, and the last entry of "
        + "the vocabulary stands for no class: a sequence begins with one of them. "
        + "generation_config.json keeps generate() from drawing these. "
        + "Priors with positions rope can be exported: rope2d turns by row and column, which Llama "
        + "does not know.",
      "python/tessera.py of the sources loads every tokenizer without an export.",
    ],
    examples: [
      #"""
      export --checkpoint checkpoints/vq --to diffusers \
        --output vq-diffusers
      """#,
      #"""
      export --checkpoint checkpoints/fsq --to onnx \
        --output fsq-onnx
      """#,
      #"""
      export --checkpoint checkpoints/prior --to transformers \
        --output llama
      """#,
    ])

  /// Programs that a checkpoint can be written for.
  enum Target: String, ExpressibleByArgument, CaseIterable {
    case diffusers, onnx, transformers
  }

  @Option(
    help: ArgumentHelp(
      "Folder of the trained tokenizer; with --to transformers, of the prior.", valueName: "folder")
  )
  var checkpoint: String

  @Option(
    help: ArgumentHelp("What is to read it.", valueName: "diffusers|onnx|transformers"))
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
      // Weights that are damaged are not passed on: each opens the checkpoint as any command does.
      switch to {
      case .diffusers: terminal.result(try writeDiffusers())
      case .onnx: terminal.result(try writeOnnx())
      case .transformers: terminal.result(try writeTransformers())
      }
    }
  }

  private func writeDiffusers() throws -> String {
    let opened = try OpenedTokenizer(checkpoint: checkpoint, weights: weights.file, threads: 1)
    let export = try DiffusersExport(
      opened.run.tokenizer, imageSize: opened.run.data.imageSize, name: checkpoint)
    try prepare(DiffusersExport.files)
    try export.write(to: output, weights: path)
    return "\(output): \(export.className).from_pretrained loads it; ids and pixels are those of "
      + checkpoint
  }

  private func writeOnnx() throws -> String {
    let opened = try OpenedTokenizer(
      checkpoint: checkpoint, weights: weights.file, for: .handingOn, threads: 1)
    let export = try OnnxExport(opened.run.tokenizer, name: checkpoint)
    try prepare(export.files)
    let identity = opened.identity
    try export.write(
      to: output, weights: path,
      metadata: [
        ("fingerprint", identity.fingerprint), ("quantizer", identity.quantizer),
        ("codebook_size", String(identity.codebookSize)), ("depth", String(identity.depth)),
        ("downsampling", String(identity.downsampling)),
      ])
    let parts = zip(export.files, export.nodeCounts).map { "\($0) of \($1) nodes" }
    return "\(output): " + parts.joined(separator: ", ")
      + "; sides of images are multiples of \(identity.downsampling)"
  }

  private func writeTransformers() throws -> String {
    let prior = try OpenedPrior(
      folder: checkpoint, weights: weights.file, backend: Device(), threads: 1)
    let export = try LlamaExport(prior)
    try prepare(LlamaExport.files)
    try export.write(to: output, weights: path)
    return "\(output): a LlamaForCausalLM of \(Display.count(export.vocabulary)) entries; "
      + "a sequence begins with " + export.beginning
  }

  /// The file of the weights.
  private var path: String { checkpoint + "/" + weights.file }

  /// Makes the folder, unless files of these names are in it that may not be replaced.
  private func prepare(_ names: [String]) throws {
    let files = names.map { output + "/" + $0 }
    if !force, let present = files.first(where: FileManager.default.fileExists) {
      throw Failure(
        .cannotCreate,
        "\(present) is already there. Choose another --output, or add --force to replace it.")
    }
    do throws(FileError) { try Folder.make(output) } catch {
      throw Failure(cannotMakeFolder: output, error)
    }
  }
}
