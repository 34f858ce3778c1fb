import ArgumentParser
import Execution
import Formatting
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
        + "complete is left unchanged."
    ],
    examples: [
      "scenes --output data/scenes --count 2000 --validation 200"
    ])

  @Option(help: ArgumentHelp("Output folder.", valueName: "folder"))
  var output = "data/scenes"

  @Option(help: ArgumentHelp("Training images.", valueName: "n"))
  var count = 2000

  @Option(help: ArgumentHelp("Validation images.", valueName: "n"))
  var validation = 200

  @Option(help: ArgumentHelp("Side of the square images in pixels.", valueName: "pixels"))
  var size = 64

  @Option(help: ArgumentHelp("Random seed.", valueName: "n"))
  var seed: UInt64 = 0

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--output", output)
    for (flag, value) in [("--count", count), ("--validation", validation)] {
      guard (0...Self.mostImages).contains(value) else {
        throw ValidationError("\(flag): expected 0 to \(Self.mostImages), found \(value)")
      }
    }
    guard count + validation > 0 else {
      throw ValidationError("--count and --validation: expected at least one image, found none")
    }
    guard SceneDataset.sizes.contains(size) else {
      throw ValidationError(
        "--size: expected \(SceneDataset.sizes.lowerBound) to \(SceneDataset.sizes.upperBound), "
          + "found \(size)")
    }
  }

  /// More images than any disk has inodes to spare for.
  private static let mostImages = 100_000_000
  /// Memory for what is known of an image until the last is drawn.
  private static let bytesPerImage = 2500.0

  /// Draws.
  public func run() throws {
    try conclude(options) { terminal in
      let (total, folder) = (count + validation, output)
      var need = MemoryNeed()
      need.add(
        "their factors", bytes: Self.bytesPerImage * Double(total),
        keys: ["--count", "--validation"])
      // An image is drawn in floats, then encoded.
      need.add(
        "images",
        bytes: Double(ProcessInfo.processInfo.activeProcessorCount) * 32
          * Double(size * size), keys: ["--size"])
      try MemoryLimits().check(need, "drawing \(Display.count(total, "scene"))")
      Interruption.listen()
      let progress = ReadingProgress(
        terminal, "drawing", first: "drawing \(Display.count(total, "image"))")
      let outcome = try SceneDataset.write(
        count: count, validation: validation, size: size, seed: seed, to: folder,
        progress: progress.report, shouldStop: { Interruption.isRequested })
      guard outcome != .stopped else {
        terminal.say("stopped. Run again to draw all.")
        throw ExitCode(Interruption.exitCode)
      }
      terminal.result(
        outcome == .written
          ? "\(folder): \(Display.count(total, "scene")) drawn"
          : "\(folder): \(Display.count(total, "scene")), there already")
    }
  }
}
