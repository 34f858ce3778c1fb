import ArgumentParser

/// Decodes.
public struct DecodeCommand: ParsableCommand {
  /// A command as the parser fills it in.
  public init() {}
}
