import ArgumentParser
import Autodiff
import Compression
import Formatting
import Foundation
import Tokenizers
import Training

extension CompressionMethod: ExpressibleByArgument {}
extension CompressionGoal.Budget: ExpressibleByArgument {}
extension TokenizerPart: ExpressibleByArgument {}
extension CodebookReduction.Method: ExpressibleByArgument {}

/// Makes a trained model smaller and faster.
public struct CompressCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "compress", "Makes a trained tokenizer smaller and faster by low-rank approximation.")

  static let help = HelpText(
    paragraphs: [
      "The result is a checkpoint that encode, decode, compare and train --from take as any other. Its "
        + "token ids are others than those of the original unless only the decoder is compressed: with "
        + "--part decoder it decodes the original's tokens too.",
      "--method svd splits convolutions and linear layers in two with few channels between them. --method "
        + "id keeps some of the channels inside each residual block, those from which the others are "
        + "best interpolated on the given images, and folds the others into the next convolution: nothing "
        + "new runs.",
      "One goal decides the ranks. --max-loss-db: as small as possible without losing more PSNR. --keep: "
        + "a share of the time or, with --budget parameters, of the weights. --energy: a share of the "
        + "squares of each weight (or activation), the same for all layers. The first two measure how much "
        + "each layer matters to the images and how long it takes here; they need images, those of --data or "
        + "else the validation images of the run.",
      "--fine-tune trains the result for some steps on the images of the original run, as train --from "
        + "does; --set changes the configuration of that training. --codebook reduces a vq codebook; "
        + "token-map.json in the output has the new id of each old one.",
    ],
    examples: [
      #"""
      compress --checkpoint checkpoints/fsq \
        --output checkpoints/small --max-loss-db 0.3
      """#,
      #"""
      compress --checkpoint checkpoints/fsq \
        --output checkpoints/small --method id --keep 0.7 \
        --fine-tune 500
      """#,
      #"""
      compress --checkpoint checkpoints/vq \
        --output checkpoints/vq-256 --codebook 256
      """#,
      #"""
      compress --checkpoint checkpoints/prior \
        --output checkpoints/prior-small --energy 0.9
      """#,
    ])

  @Option(help: ArgumentHelp("Folder of the trained run.", valueName: "folder"))
  var checkpoint: String

  @Option(help: ArgumentHelp("Folder of the new checkpoint.", valueName: "folder"))
  var output: String

  @Option(help: ArgumentHelp("What is done to layers (default: svd).", valueName: "svd|id"))
  var method: CompressionMethod?

  @Option(
    name: .customLong("max-loss-db"),
    help: ArgumentHelp("The most PSNR to lose, before fine-tuning.", valueName: "dB"))
  var maxLoss: Double?

  @Option(
    help: ArgumentHelp("The share of time (or parameters) that may remain.", valueName: "share"))
  var keep: Double?

  @Option(
    help: ArgumentHelp(
      "With --keep: what is counted (default: time).", valueName: "time|parameters"))
  var budget: CompressionGoal.Budget?

  @Option(
    help: ArgumentHelp("The share of each layer's energy that is kept.", valueName: "share"))
  var energy: Double?

  @Option(
    help: ArgumentHelp("Compress only this part of a tokenizer.", valueName: "encoder|decoder"))
  var part: TokenizerPart?

  @Option(help: ArgumentHelp("Entries that a vq codebook keeps.", valueName: "n"))
  var codebook: Int?

  @Option(
    help: ArgumentHelp(
      "How they are found; by default whichever of the three loses least.",
      valueName: "skeleton|k-means|rarest"))
  var codebookBy: CodebookReduction.Method?

  @Option(
    help: ArgumentHelp(
      "Folder of images to measure on, instead of the run's validation images.",
      valueName: "folder"))
  var data: String?

  @Option(help: ArgumentHelp("Images to measure on (default: 64).", valueName: "n"))
  var images: Int?

  @Option(
    help: ArgumentHelp("Train the result for so many steps.", valueName: "steps"))
  var fineTune: Int?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "With --fine-tune: set a value of its configuration.", valueName: "key.path=value"))
  var assignments: [String] = []

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--output", output)
    try requireName("--data", data)
    if part == .quantizer {
      throw ValidationError(
        "--part: expected encoder or decoder, found quantizer, whose codes --codebook reduces")
    }
    let goals = [("--max-loss-db", maxLoss), ("--keep", keep), ("--energy", energy)]
      .filter { $0.1 != nil }
    if goals.count > 1 {
      throw ValidationError("\(goals[0].0) and \(goals[1].0) are two goals: choose one")
    }
    if goals.isEmpty, codebook == nil || method != nil || part != nil {
      throw ValidationError(
        "expected a goal: --max-loss-db 0.3, --keep 0.7 or --energy 0.95"
          + (codebook == nil ? ", or --codebook with a number of codes" : ""))
    }
    if let maxLoss, !(maxLoss > 0 && maxLoss.isFinite) {
      throw ValidationError("--max-loss-db: expected more than 0 dB, found \(maxLoss)")
    }
    for (flag, share) in [("--keep", keep), ("--energy", energy)] {
      if let share, !(share > 0 && share < 1) {
        throw ValidationError(
          "\(flag): expected a share above 0 and below 1, such as 0.7, found \(share)")
      }
    }
    if budget != nil, keep == nil {
      throw ValidationError("--budget says what --keep counts: add --keep with a share")
    }
    if let codebook, codebook < 2 {
      throw ValidationError("--codebook: expected at least 2 entries, found \(codebook)")
    }
    if codebookBy != nil, codebook == nil {
      throw ValidationError("--codebook-by belongs to --codebook: add it with a number of codes")
    }
    if let images, images < 1 {
      throw ValidationError("--images: expected at least 1, found \(images)")
    }
    if let fineTune, fineTune < 1 {
      throw ValidationError("--fine-tune: expected at least 1 step, found \(fineTune)")
    }
    if !assignments.isEmpty, fineTune == nil {
      throw ValidationError("--set changes the configuration of --fine-tune: add it with steps")
    }
  }

  var goal: CompressionGoal? {
    maxLoss.map { .loss($0) } ?? keep.map { .share($0, of: budget ?? .time) }
      ?? energy.map { .energy($0) }
  }

  /// Compresses.
  public func run() throws {
    try conclude(options) { terminal in
      let source = Checkpoint(folder: checkpoint)
      try Checkpoint(folder: output).checkIsFree()
      Interruption.listen()
      switch try source.kind() {
      case .tokenizer: try compressTokenizer(source, terminal)
      case .prior: try compressPrior(source, terminal)
      case let kind:
        throw Failure(
          .badData,
          "\(checkpoint): expected a tokenizer or a prior, found a run of kind \"\(kind.rawValue)\", which "
            + "compress does not know")
      }
    }
  }

  /// Refuses what is compressed already.
  func check(_ layers: ReducedLayers) throws {
    guard !layers.isEmpty else { return }
    let count = layers.ranks.count + layers.widths.count
    throw Failure(
      .badData,
      "\(checkpoint) is compressed already (\(Display.count(count, "layer")) of model.compression): "
        + "compress the checkpoint that it came from with another goal")
  }

  func tell(progress terminal: Terminal) -> (Int, Int) throws -> Void {
    { done, all in
      terminal.progress("measuring \(done)/\(all)")
      if Interruption.isRequested {
        terminal.say("stopped. Nothing was written.")
        throw ExitCode(Interruption.exitCode)
      }
    }
  }
}
