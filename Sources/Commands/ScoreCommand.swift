import ArgumentParser
import CPUBackend
import Execution
import Files
import Formatting
import Foundation
import Inference
import Priors
import TokenFiles
import Training

/// Tells the bits that given tokens cost under a prior.
public struct ScoreCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "score", "Tells how many bits given tokens take under a prior.")

  static let help = HelpText(
    paragraphs: [
      "The code length of an image is the negative logarithm of its probability, given its class where "
        + "the token file has labels: what encode --prior needs to write it. --json lists every image, "
        + "so that the least likely ones can be found."
    ],
    examples: [
      "score --checkpoint checkpoints/prior tokens.safetensors",
      #"""
      score --checkpoint checkpoints/prior --json bits.json \
        tokens.safetensors
      """#,
    ])

  @Option(help: ArgumentHelp("Folder of the trained prior.", valueName: "folder"))
  var checkpoint: String

  @Option(
    name: .customLong("json"),
    help: ArgumentHelp("Write the bits of every image to a file.", valueName: "file"))
  var jsonFile: String?

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  @Argument(help: ArgumentHelp("Token files.", valueName: "tokens"))
  var tokens: [String]

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--checkpoint", checkpoint)
    try requireName("--json", jsonFile)
    try requireNames("<tokens>", tokens)
  }

  /// Scores.
  public func run() throws {
    try conclude(options) { terminal in
      let prior = try OpenedPrior(
        folder: checkpoint, weights: weights.file, backend: Device(), threads: options.threadCount)
      var listed: [JSONValue] = []
      for path in tokens {
        let file = try TokenFile.open(path: path)
        try prior.check(file, path: path)
        let labels = try prior.labels(of: file, path: path)
        let images = try (0..<file.count).map { index in
          try file.record(at: index).tokens.map { Int32(bitPattern: $0) }
        }
        let progress = ItemProgress(terminal, "scoring", total: images.count)
        let bits = prior.score(images, labels: labels) { progress.reach($0) }.map { $0 / M_LN2 }
        let pixels = (0..<file.count).reduce(0) {
          $0 + file.shape(at: $1).width * file.shape(at: $1).height
        }
        let (total, space) = (bits.reduce(0, +), prior.space)
        let budget = log2(Double(space.codes)) * Double(space.ids * images.count)
        terminal.result(
          "\(path): \(Display.count(images.count, "image")), "
            + "\(Display.decimals(total / Double(images.count * space.tokens), 3)) bits/token, "
            + "\(Display.decimals(total / Double(images.count), 1)) bits/image, "
            + "\(Display.decimals(total / Double(pixels), 3)) bits/pixel: "
            + "\(Display.count(Int((total / 8).rounded(.up)), "byte")), "
            + "\(Display.percent(total / budget)) of log2 of the codes")
        listed += zip(file.paths, bits).map { name, bits in
          .object(JSONObject(["image": .string(name), "bits": .number(bits)]))
        }
      }
      if let jsonFile {
        let lines = listed.map(\.compactText).joined(separator: ",\n  ")
        try AtomicFile.write("[\n  \(lines)\n]\n", to: jsonFile)
      }
    }
  }
}
