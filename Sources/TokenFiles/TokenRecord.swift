/// One image as tokens.
public struct TokenRecord: Equatable, Sendable {
  /// The image's path, relative to where encoding began.
  public var path: String
  /// The true width in pixels, orientation applied: what decoding gives back.
  public var width: Int
  /// The true height in pixels, orientation applied: what decoding gives back.
  public var height: Int
  /// The width of the model's input, after resize and padding: `gridWidth` * downsampling.
  public var paddedWidth: Int
  /// The height of the model's input, after resize and padding: `gridHeight` * downsampling.
  public var paddedHeight: Int
  /// Rows of tokens.
  public var gridHeight: Int
  /// Tokens in a row.
  public var gridWidth: Int
  /// The ids, row by row: `gridHeight` * `gridWidth` tokens, each of as many as the depth is.
  public var tokens: [UInt32]

  /// Puts a record together; the writer checks it.
  public init(
    path: String, width: Int, height: Int, paddedWidth: Int, paddedHeight: Int, gridHeight: Int,
    gridWidth: Int, tokens: [UInt32]
  ) {
    self.path = path
    self.width = width
    self.height = height
    self.paddedWidth = paddedWidth
    self.paddedHeight = paddedHeight
    self.gridHeight = gridHeight
    self.gridWidth = gridWidth
    self.tokens = tokens
  }

  /// Why this cannot be an image of that tokenizer; nil where it can.
  func problem(for identity: TokenizerIdentity) -> String? {
    let limit = 1 << 32
    for (name, value) in [
      ("width", width), ("height", height), ("paddedWidth", paddedWidth),
      ("paddedHeight", paddedHeight), ("gridWidth", gridWidth), ("gridHeight", gridHeight),
    ] where value < 1 || value >= limit {
      return "its \(name) is \(value), expected 1 to \(limit - 1)"
    }
    let (cells, isTooLarge) = gridHeight.multipliedReportingOverflow(by: gridWidth)
    let (count, overflow) = cells.multipliedReportingOverflow(by: identity.depth)
    if isTooLarge || overflow || tokens.count != count {
      return "it has \(tokens.count) tokens, but its grid is \(gridHeight) x \(gridWidth)"
        + (identity.depth > 1 ? " of \(identity.depth) each" : "")
    }
    let side = identity.downsampling
    if paddedHeight != gridHeight * side || paddedWidth != gridWidth * side {
      return "a grid of \(gridHeight) x \(gridWidth) tokens of \(side) pixels stands for "
        + "\(gridHeight * side) x \(gridWidth * side) pixels, "
        + "but its padded size is \(paddedHeight) x \(paddedWidth) (height x width)"
    }
    if let position = tokens.firstIndex(where: { Int($0) >= identity.codebookSize }) {
      return "token \(position) is \(tokens[position]), but the codebook has "
        + "\(identity.codebookSize) codes, 0 to \(identity.codebookSize - 1)"
    }
    return nil
  }
}

/// Height and width as they lie in the file: two U32, height first.
struct Extent: Equatable, Sendable {
  var height: UInt32
  var width: UInt32
}
