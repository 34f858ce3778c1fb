/// Assumptions on ids without metadata, as written by a program that generated
/// them from a model of its own.
public struct TokenAssumption: Sendable {
  /// The tokenizer that is to decode them.
  public let identity: TokenizerIdentity
  /// Rows of tokens of an image at the size that the tokenizer was trained with.
  public let gridHeight: Int
  /// Tokens in a row of such an image.
  public let gridWidth: Int

  /// An assumption.
  public init(identity: TokenizerIdentity, gridHeight: Int, gridWidth: Int) {
    self.identity = identity
    self.gridHeight = gridHeight
    self.gridWidth = gridWidth
  }
}
