import ArgumentParser
import Datasets
import Formatting
import Foundation
import Imaging
import Tokenizers
import Training
import WeightExchange

extension TokenizerFamily: ExpressibleByArgument {
  /// How the authors' own code makes pixels of files; this program's way where theirs is not to be had.
  fileprivate var recipe: (name: ImageRecipe.Name, filter: PillowFilter?) {
    switch self {
    case .diffusers, .amused: (.diffusers, nil)
    case .llamagen: (.adm, nil)
    case .chameleon: (.chameleon, nil)
    case .rqvae, .openMUSE, .maskgit: (.torchvision, nil)
    case .showO: (.torchvision, .bicubic)
    case .taming, .gumbel, .janus, .ibq, .cosmos, .openMAGVIT2: (.tessera, nil)
    }
  }
}

/// Makes a checkpoint of another program's weights.
public struct ImportCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "import", "Makes a checkpoint of a tokenizer that another program trained.")

  static let help = HelpText(
    paragraphs: [
      "Reads safetensors, and files of torch.save (.pt, .ckpt, .bin) without running any code in them. The "
        + "configuration is inferred from names and shapes of the tensors. Every tensor is used, folded into "
        + "another, or dropped by name; anything else is an error that lists it.",
      "The result is a checkpoint that encode, decode, compare, compress and train --from take as any "
        + "other. Token ids are those of the original program for the same pixels.",
      "Families: "
        + TokenizerFamily.allCases.map { "\($0.rawValue), \($0.summary)" }.joined(separator: "; ")
        + ".",
    ],
    examples: [
      #"""
      import --weights vq_ds16_c2i.pt \
        --output checkpoints/llamagen
      """#,
      #"""
      import --weights IBQ_16384.ckpt --from ibq \
        --output checkpoints/ibq
      """#,
      #"""
      import --weights sdxl-vae \
        --output checkpoints/sdxl-vae
      """#,
    ])

  @Option(
    help: ArgumentHelp(
      "File of weights, or folder with one and its config.json.", valueName: "file|folder"))
  var weights: String

  @Option(help: ArgumentHelp("Folder of the new checkpoint.", valueName: "folder"))
  var output: String

  @Option(
    help: ArgumentHelp(
      "Family of the tokenizer; recognized if nothing is said.", valueName: "family|auto"))
  var from = "auto"

  @Option(
    help: ArgumentHelp(
      "Settings of the tokenizer, instead of the config.json beside the weights.",
      valueName: "config.json"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Side of the images that encode makes by default.", valueName: "pixels"))
  var imageSize: Int?

  @Option(
    help: ArgumentHelp(
      "Groups of every normalization, which no tensor shows (default: 32).", valueName: "n"))
  var normGroups: Int?

  @Flag(
    help: "Take the plain weights where the file also has averages of them.")
  var noAverages = false

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--weights", weights)
    try requireName("--output", output)
    try requireName("--config", config)
    if from != "auto", TokenizerFamily(rawValue: from) == nil {
      throw ValidationError(
        "--from: expected auto or one of "
          + TokenizerFamily.allCases.map(\.rawValue).joined(separator: ", ") + ", found \(from)")
    }
    if let imageSize, !(1...8192).contains(imageSize) {
      throw ValidationError("--image-size: expected 1 to 8192 pixels, found \(imageSize)")
    }
    if let normGroups, !(1...8192).contains(normGroups) {
      throw ValidationError("--norm-groups: expected 1 to 8192, found \(normGroups)")
    }
  }

  /// Imports.
  public func run() throws {
    try conclude(options) { terminal in
      let target = Checkpoint(folder: output)
      try target.checkIsFree()
      guard FileManager.default.fileExists(atPath: weights) else {
        throw Failure(.noInput, "\(weights): there is no such file or folder. --weights names one.")
      }
      let imported = try ImportedTokenizer(
        path: weights, settings: config,
        ImportedTokenizer.Hints(
          family: TokenizerFamily(rawValue: from), groups: normGroups,
          prefersAverages: !noAverages))
      let run = try configuration(of: imported)
      try target.writeImported(run) { try imported.floats($0) }
      for note in imported.notes { terminal.say(note) }
      let model = imported.configuration
      let side = model.model.downsampling
      terminal.result(
        "\(output): \(imported.family.rawValue), \(model.quantizer.chosen.presentation.words), a token for "
          + "\(side)x\(side) pixels; \(Display.count(imported.used)) tensors taken over")
    }
  }

  /// The configuration of the new checkpoint.
  private func configuration(of imported: ImportedTokenizer) throws -> RunConfiguration {
    let side = imported.configuration.model.downsampling
    let wanted = imageSize ?? imported.imageSize
    guard wanted % side == 0 || imageSize == nil else {
      throw Failure(
        .usage,
        "--image-size \(wanted): expected a multiple of \(side), as a token of this tokenizer stands for "
          + "\(side)x\(side) pixels")
    }
    var run = RunConfiguration(
      description: "Imported from \(URL(fileURLWithPath: weights).lastPathComponent).",
      data: DataConfiguration(
        train: "", imageSize: max(1, wanted / side) * side,
        recipe: imported.family.recipe.name, filter: imported.family.recipe.filter, crop: .centre),
      model: imported.configuration.model, quantizer: imported.configuration.quantizer)
    run.origin = ImportedOrigin(
      family: imported.family.rawValue, file: URL(fileURLWithPath: weights).lastPathComponent,
      parts: imported.configuration.hasDecoder ? .whole : .encoder)
    run.data.mayLackImages = true
    return run
  }
}
