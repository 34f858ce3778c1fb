import ArgumentParser
import Training

/// All commands as subcommands of one program, whose name no other program has.
public struct TesseraCommand: ParsableCommand {
  /// Name, summary and subcommands.
  public static let configuration = CommandConfiguration(
    commandName: "tessera",
    abstract: "Trains image tokenizers, and turns images into tokens and back.",
    discussion:
      "Each command has a help of its own with examples, as in tessera train --help.",
    version: "tessera \(Release.version)",
    subcommands: [
      TrainCommand.self, EncodeCommand.self, DecodeCommand.self, CompareCommand.self,
      ScenesCommand.self, SweepCommand.self,
    ])

  /// A command as the parser fills it in.
  public init() {}
}
