/// The tokens of one image, row by row.
public struct TokenGrid: Sendable, Equatable {
  /// Rows of the grid.
  public let height: Int
  /// Columns of the grid.
  public let width: Int
  /// Indices to a token.
  public let depth: Int
  /// Token ids, row by row from the top left, those of a token together.
  public let indices: [Int32]

  /// A grid of tokens.
  public init(height: Int, width: Int, depth: Int = 1, indices: [Int32]) {
    precondition(indices.count == height * width * depth, "a grid has one token a cell")
    self.height = height
    self.width = width
    self.depth = depth
    self.indices = indices
  }
}

/// Why images or tokens could not be processed.
public enum CodecError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The encoder put out a number that is not finite.
  case notFinite(image: Int)
  /// A token is not of this codebook.
  case tokenOutOfRange(image: Int, token: Int32, codebookSize: Int)

  /// What happened, and what to do.
  public var description: String {
    switch self {
    case .notFinite(let image):
      return "the encoder put out a number that is not finite for image \(image + 1): "
        + "the weights are damaged; use an earlier checkpoint"
    case .tokenOutOfRange(let image, let token, let size):
      return "image \(image + 1) holds token \(token), but the codebook has only \(size) "
        + "entries, 0 to \(size - 1): the tokens are damaged or of another tokenizer"
    }
  }
}
