import ArgumentParser

/// Compares.
public struct CompareCommand: ParsableCommand {
  /// A command as the parser fills it in.
  public init() {}
}
