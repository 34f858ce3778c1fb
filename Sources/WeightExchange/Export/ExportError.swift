/// Why a tokenizer cannot be written for another program: what it has that the other lacks, and the way out.
public struct ExportError: Error, Equatable, Sendable, CustomStringConvertible {
  /// One sentence, and what to do instead.
  public let description: String

  /// A reason.
  public init(_ description: String) { self.description = description }
}
