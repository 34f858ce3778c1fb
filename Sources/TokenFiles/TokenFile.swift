import Safetensors

/// Tokens on disk, from one file or several pieces, mapped into memory and checked.
///
/// Opening checks everything: the arrays against each other, sizes against grids, every id against
/// the codebook, the ids against their checksum. `paths`, `sizes`, `padded_sizes`, the recipe and the
/// checksum may be absent, so that another program can write tokens of its own for decoding with
/// little effort; images then have the size of their grid.
public struct TokenFile: Sendable {
  /// The version of the format that is written and read.
  public static let formatVersion = 1

  /// The tokenizer that made the tokens.
  public let identity: TokenizerIdentity
  /// How images became model input.
  public let recipe: Recipe
  /// The number of images.
  public let count: Int

  private let pieces: [TokenPiece]
  /// The index of each piece's first image.
  private let starts: [Int]

  /// Opens `tokens.safetensors`, `tokens.npy`, `tokens.bin` or the `.json` beside the latter two.
  ///
  /// Where `path` names the first of several pieces, or a name under which only pieces
  /// (`tokens-00001.safetensors`, ...) exist, all of them are opened; then none may be missing. An
  /// extension may be left out.
  public static func open(path: String) throws(TokenFileError) -> TokenFile {
    if PieceName.exists(path) {
      guard let format = TokenFormat(path: path) else { return try open(paths: [path]) }
      let name = PieceName(stem: PieceName.withoutExtension(path), format: format)
      if let (whole, number) = name.whole, number == 1 {
        let file = try open(paths: [path])
        // A file that only happens to end in -00001 is no piece.
        return file.pieces[0].shard == nil ? file : try open(piecesOf: whole)
      }
      return try open(paths: [path])
    }
    let named = TokenFormat(path: path)
    let stem = named == nil ? path : PieceName.withoutExtension(path)
    for format in named.map({ [$0] }) ?? TokenFormat.allCases {
      let name = PieceName(stem: stem, format: format)
      if named == nil, PieceName.exists(name.data) { return try open(paths: [name.data]) }
      if !name.finishedNumbers().isEmpty { return try open(piecesOf: name) }
    }
    // The error that this path deserves.
    return try open(paths: [path])
  }

  /// Opens exactly these files, one after the other, as one.
  public static func open(paths: [String]) throws(TokenFileError) -> TokenFile {
    var pieces: [TokenPiece] = []
    for path in paths {
      let piece = try TokenPiece(path: path)
      if let first = pieces.first { try piece.check(besides: first) }
      pieces.append(piece)
    }
    guard !pieces.isEmpty else { throw .empty(path: "a list of token files") }
    return TokenFile(pieces)
  }

  private static func open(piecesOf name: PieceName) throws(TokenFileError) -> TokenFile {
    let numbers = name.finishedNumbers()
    for (index, number) in numbers.enumerated() where number != index + 1 {
      throw .missingPiece(
        path: name.numbered(index + 1).data,
        reason: "this piece is missing, while piece \(number) is there")
    }
    let file = try open(paths: numbers.map { name.numbered($0).data })
    guard let last = file.pieces.last, last.isLast else {
      throw .missingPiece(
        path: name.numbered(numbers.count + 1).data,
        reason: "piece \(numbers.count) says that another one follows, but there is none: "
          + "encoding was interrupted, or this piece was not copied")
    }
    return file
  }

  private init(_ pieces: [TokenPiece]) {
    self.pieces = pieces
    identity = pieces[0].identity
    recipe = pieces[0].recipe
    var starts: [Int] = []
    var count = 0
    for piece in pieces {
      starts.append(count)
      count += piece.count
    }
    self.starts = starts
    self.count = count
  }

  /// The images' paths, in order.
  public var paths: [String] { pieces.flatMap(\.paths) }

  /// One image, copied out of the map; `index` is 0 ..< `count`.
  public func record(at index: Int) -> TokenRecord {
    precondition((0..<count).contains(index), "image \(index) of \(count)")
    // Starts rise: the last one that is not beyond the index.
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return pieces[low].record(at: index - starts[low])
  }

  /// Refuses tokens that were not made by this tokenizer.
  public func check(against tokenizer: TokenizerIdentity) throws(TokenFileError) {
    guard identity == tokenizer else {
      throw .foreignTokenizer(path: pieces[0].path, tokens: identity, tokenizer: tokenizer)
    }
  }
}

extension TokenPiece {
  /// Refuses a piece of another tokenizer or recipe than `other`.
  func check(besides other: TokenPiece) throws(TokenFileError) {
    try check(identity: other.identity, recipe: other.recipe, of: other.path)
  }

  /// Refuses a piece of another tokenizer or recipe.
  func check(
    identity: TokenizerIdentity, recipe: Recipe, of other: String
  ) throws(TokenFileError) {
    guard self.identity == identity else {
      throw .mixedPieces(
        path: path, other: other,
        reason: "one is of \(self.identity.summary), the other of \(identity.summary)")
    }
    guard self.recipe == recipe else {
      throw .mixedPieces(
        path: path, other: other, reason: "their images were resized, cropped or padded differently"
      )
    }
  }
}
