import ArgumentParser
import Foundation
import SceneRendering

/// Draws the built-in data set.
public struct ScenesCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "scenes", "Draws a data set: shaded solids on patterned floors, every factor known.")

  static let help = HelpText(
    paragraphs: [
      "Writes PNG and JPEG files under train/ and validation/, and factors.jsonl, which "
        + "describes what is in each. The same seed draws the same files; a folder that is "
        + "complete is left as it is."
    ],
    examples: [
      "scenes --output data/scenes --count 2000 --validation 200"
    ])

  @Option(help: ArgumentHelp("Where the files go.", valueName: "folder"))
  var output = "data/scenes"

  @Option(help: ArgumentHelp("Images to train on.", valueName: "n"))
  var count = 2000

  @Option(help: ArgumentHelp("Images to validate with.", valueName: "n"))
  var validation = 200

  @Option(help: ArgumentHelp("Side of the square images in pixels.", valueName: "pixels"))
  var size = 64

  @Option(help: ArgumentHelp("Start of all random numbers.", valueName: "n"))
  var seed: UInt64 = 0

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Draws.
  public func run() throws {
    try conclude(options) { terminal in
      let (total, folder) = (count + validation, output)
      let outcome = try SceneDataset.write(
        count: count, validation: validation, size: size, seed: seed, to: folder)
      terminal.result(
        outcome == .written
          ? "\(folder): \(Display.count(total, "scene")) drawn"
          : "\(folder): \(Display.count(total, "scene")), there already")
    }
  }
}
