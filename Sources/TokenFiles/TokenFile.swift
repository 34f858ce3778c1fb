import Synchronization

/// Tokens on disk, from one file or several shards, checked.
///
/// Opening checks everything: the arrays against each other, sizes against grids, every id against
/// the codebook, the ids against their checksum. `paths`, `sizes`, `padded_sizes`, the recipe and the
/// checksum may be absent, so that another program can write tokens of its own for decoding with
/// little effort; images then have the size of their grid. With an assumption of who made them, an
/// array of ids alone will do: see `TokenAssumption`.
///
/// Ids are copied from the file when they are asked for. At most one shard is open at a time.
public struct TokenFile: Sendable {
  /// The version of the format that is written and read.
  public static let formatVersion = 1

  /// The tokenizer that made the tokens.
  public let identity: TokenizerIdentity
  /// How images became model input.
  public let recipe: Recipe
  /// The number of images.
  public let count: Int

  /// Whether the file says nothing of its tokenizer, so that the assumption was taken.
  public var isAssumed: Bool { pieces.contains(where: \.isAssumed) }

  private let pieces: [TokenPiece]
  /// The index of each shard's first image.
  private let starts: [Int]
  private let current = Current()

  /// The shard that was read last, which alone stays open.
  private final class Current: Sendable {
    let piece = Mutex<Int?>(nil)
  }

  /// Opens `tokens.safetensors`, `tokens.npy`, `tokens.bin` or the `.json` beside the latter two.
  ///
  /// Where `path` names the first of several shards, or a name under which only shards
  /// (`tokens-00001.safetensors`, ...) exist, all of them are opened; then none may be missing. An
  /// extension may be omitted.
  ///
  /// - `assumption`: what is taken for granted of ids that come without any metadata; nil refuses them.
  /// - `trusted`: files whose ids were checked already, which are not gone through once more.
  public static func open(
    path: String, assuming assumption: TokenAssumption? = nil, trusting trusted: Set<String> = []
  ) throws(TokenFileError) -> TokenFile {
    let opening = Opening(assumption: assumption, trusted: trusted)
    let named = TokenFormat(path: path)
    let stem = named == nil ? path : PieceName.withoutExtension(path)
    let formats = named.map { [$0] } ?? TokenFormat.allCases
    for format in formats {
      let name = PieceName(stem: stem, format: format)
      if let swap = try PieceSwap(of: name) { return try opening.open(swap.pieces, of: name) }
    }
    if PieceName.exists(path) {
      guard let format = named else { return try opening.open([path]) }
      let name = PieceName(stem: stem, format: format)
      if let (whole, number) = name.whole, number == 1 {
        if let swap = try PieceSwap(of: whole) { return try opening.open(swap.pieces, of: whole) }
        let file = try opening.open([path])
        // A file that only happens to end in -00001 is no shard.
        return file.pieces[0].shard == nil ? file : try opening.open(piecesOf: whole)
      }
      return try opening.open([path])
    }
    for format in formats {
      let name = PieceName(stem: stem, format: format)
      if named == nil, PieceName.exists(name.data) { return try opening.open([name.data]) }
      if !name.finishedNumbers().isEmpty { return try opening.open(piecesOf: name) }
    }
    // The error that this path deserves.
    return try opening.open([path])
  }

  /// Opens exactly these files, one after the other, as one.
  public static func open(paths: [String]) throws(TokenFileError) -> TokenFile {
    try Opening(assumption: nil, trusted: []).open(paths)
  }

  /// How files are opened.
  private struct Opening {
    let assumption: TokenAssumption?
    let trusted: Set<String>

    func open(_ paths: [String]) throws(TokenFileError) -> TokenFile {
      var pieces: [TokenPiece] = []
      for path in paths {
        let piece = try TokenPiece(
          path: path, assuming: assumption, checksIds: !trusted.contains(path))
        piece.release()
        if let first = pieces.first { try piece.check(besides: first) }
        pieces.append(piece)
      }
      guard !pieces.isEmpty else { throw .empty(path: "a list of token files") }
      return TokenFile(pieces)
    }

    func open(piecesOf name: PieceName) throws(TokenFileError) -> TokenFile {
      let numbers = name.finishedNumbers()
      for (index, number) in numbers.enumerated() where number != index + 1 {
        throw .missingPiece(
          path: name.numbered(index + 1).data,
          reason: "this shard is missing, but shard \(number) exists")
      }
      return try open(numbers.map { name.numbered($0) }, of: name)
    }

    func open(_ pieces: [PieceName], of name: PieceName) throws(TokenFileError) -> TokenFile {
      let file = try open(pieces.map(\.data))
      guard let last = file.pieces.last, last.isLast else {
        throw .missingPiece(
          path: name.numbered(pieces.count + 1).data,
          reason: "shard \(pieces.count) says that another one follows, but there is none: "
            + "encoding was interrupted, or this shard was not copied")
      }
      return file
    }
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

  /// One image, copied out of the file; `index` is 0 ..< `count`.
  ///
  /// Errors: a file that was cut, changed or replaced since it was opened.
  public func record(at index: Int) throws(TokenFileError) -> TokenRecord {
    let (piece, image) = place(of: index)
    open(piece)
    return try pieces[piece].record(at: image)
  }

  /// The sizes of one image, which are known without reading its ids.
  public func shape(at index: Int) -> TokenRecord {
    let (piece, image) = place(of: index)
    return pieces[piece].shape(at: image)
  }

  /// Lets go of the shard that was read last if another one is wanted.
  private func open(_ piece: Int) {
    let last = current.piece.withLock { current in
      defer { current = piece }
      return current
    }
    if let last, last != piece { pieces[last].release() }
  }

  private func place(of index: Int) -> (piece: Int, image: Int) {
    precondition((0..<count).contains(index), "image \(index) of \(count)")
    // Starts rise: the last one that is not beyond the index.
    var (low, high) = (0, starts.count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if starts[middle] <= index { low = middle } else { high = middle }
    }
    return (low, index - starts[low])
  }

  /// Refuses tokens that were not made by this tokenizer.
  public func check(against tokenizer: TokenizerIdentity) throws(TokenFileError) {
    guard identity == tokenizer else {
      throw .foreignTokenizer(path: pieces[0].path, tokens: identity, tokenizer: tokenizer)
    }
  }
}

extension TokenPiece {
  /// Refuses a shard of another tokenizer or recipe than `other`.
  func check(besides other: TokenPiece) throws(TokenFileError) {
    try check(identity: other.identity, recipe: other.recipe, of: other.path)
  }

  /// Refuses a shard of another tokenizer or recipe.
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
