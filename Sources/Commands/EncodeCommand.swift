import ArgumentParser

/// Encodes.
public struct EncodeCommand: ParsableCommand {
  /// A command as the parser fills it in.
  public init() {}
}
