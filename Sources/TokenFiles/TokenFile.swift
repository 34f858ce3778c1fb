import Files
import Safetensors
import Synchronization

/// Tokens on disk, from one file or several shards, checked.
///
/// Opening checks everything: the arrays against each other, sizes against grids, every id against
/// the codebook, the ids against their checksum. `paths`, `sizes`, `padded_sizes`, the recipe, the
/// checksum, classes and labels may be absent, so that another program can write tokens of its own for
/// decoding with little effort; images then have the size of their grid. With an assumption of who
/// made them, an array of ids alone will do: see `TokenAssumption`.
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
  /// The names of the images' classes, which labels are indices of; empty where images have none.
  public let classes: [String]

  /// Which share of a set it is, where several programs encode one; nil where it is whole.
  public let part: EncodedPart?

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
  /// - `mayBeEmpty`: whether a part is welcome none of whose images could be used.
  public static func open(
    path: String, assuming assumption: TokenAssumption? = nil, trusting trusted: Set<String> = [],
    mayBeEmpty: Bool = false
  ) throws(TokenFileError) -> TokenFile {
    let opening = Opening(assumption: assumption, trusted: trusted, mayBeEmpty: mayBeEmpty)
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
    try Opening(assumption: nil, trusted: [], mayBeEmpty: false).open(paths)
  }

  /// How files are opened.
  private struct Opening {
    let assumption: TokenAssumption?
    let trusted: Set<String>
    let mayBeEmpty: Bool

    func open(_ paths: [String]) throws(TokenFileError) -> TokenFile {
      var pieces: [TokenPiece] = []
      for path in paths {
        var piece = try TokenPiece(
          path: path, assuming: assumption, checksIds: !trusted.contains(path))
        piece.release()
        if let first = pieces.first {
          try piece.check(besides: first)
          // All shards have the same names: kept once.
          piece.classes.names = first.classes.names
        }
        pieces.append(piece)
      }
      guard !pieces.isEmpty else { throw .empty(path: "a list of token files") }
      let file = TokenFile(pieces)
      if file.count == 0, let part = file.part, !mayBeEmpty {
        throw .emptyPart(path: file.pieces[0].path, number: part.number, total: part.total)
      }
      return file
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
    classes = pieces[0].classes.names
    // The last one knows what could not be used.
    part = pieces[pieces.count - 1].part
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
  public var paths: [String] { pieces.flatMap { Array($0.paths) } }

  /// The images' paths, in order and in little memory.
  public var names: NameList {
    guard pieces.count > 1 else { return pieces[0].paths }
    var names = NameList()
    for piece in pieces { names.append(contentsOf: piece.paths) }
    return names
  }

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
  ///
  /// - `kept`: the fingerprints of others whose tokens it decodes.
  public func check(
    against tokenizer: TokenizerIdentity, keeping kept: [String] = []
  ) throws(TokenFileError) {
    guard identity.isDecoded(by: tokenizer, keeping: kept) else {
      throw .foreignTokenizer(path: pieces[0].path, tokens: identity, tokenizer: tokenizer)
    }
  }
}

extension TokenPiece {
  /// Refuses a shard of another tokenizer, recipe or list of classes than `other`.
  func check(besides other: TokenPiece) throws(TokenFileError) {
    try check(identity: other.identity, recipe: other.recipe, of: other.path)
    if let reason = ImageClasses.difference(
      classes.names, of: "the first", other.classes.names, of: "the second")
    {
      throw .mixedPieces(path: path, other: other.path, reason: reason)
    }
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
  /// The image's class, as an index of the file's classes; nil where it has none.
  public var label: Int?

  /// Puts a record together; the writer checks it.
  public init(
    path: String, width: Int, height: Int, paddedWidth: Int, paddedHeight: Int, gridHeight: Int,
    gridWidth: Int, tokens: [UInt32], label: Int? = nil
  ) {
    self.path = path
    self.width = width
    self.height = height
    self.paddedWidth = paddedWidth
    self.paddedHeight = paddedHeight
    self.gridHeight = gridHeight
    self.gridWidth = gridWidth
    self.tokens = tokens
    self.label = label
  }

  /// Why this cannot be an image of that tokenizer, in a file of so many classes; nil where it can.
  func problem(for identity: TokenizerIdentity, classCount: Int) -> String? {
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
    if let label, !(0..<classCount).contains(label) {
      return "its label is \(label), "
        + (classCount == 0 ? "but there are no classes" : "expected 0 to \(classCount - 1)")
    }
    return nil
  }
}

/// Height and width as they lie in the file: two U32, height first.
struct Extent: Equatable, Sendable {
  var height: UInt32
  var width: UInt32
}

/// The coats in which tokens lie on disk.
public enum TokenFormat: String, CaseIterable, Codable, Sendable {
  /// One file that explains itself.
  case safetensors
  /// A numpy array, everything else in a JSON file beside it.
  case npy
  /// The ids alone, little-endian, everything else in a JSON file beside it.
  case bin

  /// The format that a path's extension names, or nil.
  public init?(path: String) {
    let name = path.split(separator: "/").last ?? ""
    guard let dot = name.lastIndex(of: "."), dot != name.startIndex else { return nil }
    self.init(rawValue: name[name.index(after: dot)...].lowercased())
  }
}

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

// MARK: - Errors

/// Errors in a token file, or in what is to be written into one.
public enum TokenFileError: Error, Equatable, Sendable, CustomStringConvertible {
  /// A file cannot be read or written at all.
  case file(FileError)
  /// The file is no valid safetensors file.
  case safetensors(SafetensorsError)
  /// The file holds something else than tokens.
  case notTokens(path: String, reason: String)
  /// The file follows a version of the format that this program does not know.
  case version(path: String, found: Int)
  /// An entry of the metadata is missing or makes no sense.
  case metadata(path: String, key: String, reason: String)
  /// The arrays in the file contradict each other.
  case layout(path: String, reason: String)
  /// The JSON file beside the array is missing.
  case missingSidecar(path: String, sidecar: String)
  /// A token is not below the codebook's size.
  case idOutOfRange(
    path: String, image: Int, imagePath: String, position: Int, id: Int, codebookSize: Int)
  /// The ids are not those that were written.
  case checksum(path: String, expected: String, found: String)
  /// One of several shards is not there.
  case missingPiece(path: String, reason: String)
  /// Shards that do not belong together.
  case mixedPieces(path: String, other: String, reason: String)
  /// Images of other classes than those of the shards that they are to follow.
  case otherClasses(path: String, found: [String], expected: [String])
  /// The tokens were made by another tokenizer than the one that is to decode them.
  case foreignTokenizer(path: String, tokens: TokenizerIdentity, tokenizer: TokenizerIdentity)
  /// An image's record cannot be written.
  case record(imagePath: String, reason: String)
  /// The file holds latents, where tokens are wanted.
  case latents(path: String)
  /// The file holds something else than latents.
  case notLatents(path: String, reason: String)
  /// A latent that is NaN or infinite.
  case notFinite(path: String, image: Int, imagePath: String)
  /// The latents are not those that were written.
  case latentChecksum(path: String, expected: String, found: String)
  /// An image's latents cannot be written.
  case latentRecord(imagePath: String, reason: String)
  /// Latents cannot be written there.
  case latentOutput(path: String, reason: String)
  /// There is not one image to write.
  case empty(path: String)
  /// A part of a set without an image that could be used.
  case emptyPart(path: String, number: Int, total: Int)
  /// The new ids have taken their place, but their JSON file has not; decoding finds it all the same.
  case halfReplaced(path: String, sidecar: String, partial: String, reason: String)
  /// The output cannot be named so.
  case output(path: String, reason: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .file(let error):
      return error.description
    case .safetensors(let error):
      return error.description
    case .notTokens(let path, let reason):
      return "\(path) holds no tokens: \(reason). Name a file that encode wrote, or integers "
        + "[N, h, w] below the codebook size, as tensor \"tokens\" of a safetensors file or in .npy."
    case .latents(let path):
      return "\(path) holds latents of a continuous autoencoder, but tokens are wanted. Encode the "
        + "images with a tokenizer whose quantizer has codes, such as fsq or vq."
    case .notLatents(let path, let reason):
      return "\(path) holds no latents: \(reason). Name a .safetensors or .npy file that encode "
        + "wrote with a checkpoint whose quantizer is kl or none."
    case .notFinite(let path, let image, let imagePath):
      return
        "\(path): the latents of image \(image) (\(imagePath)) hold NaN or infinity. The file is "
        + "damaged, or a program wrote them: encode the images again."
    case .latentChecksum(let path, let expected, let found):
      return "\(path): its latents have the checksum \(found), expected \(expected). The file is "
        + "damaged, or it belongs to another JSON file: copy it again. If another program wrote the "
        + "latents, remove \"checksum\" and \"xxh64\"."
    case .latentRecord(let imagePath, let reason):
      return "cannot write the latents of \(imagePath): \(reason)."
    case .latentOutput(let path, let reason):
      return "cannot write latents to \(path): \(reason)."
    case .version(let path, let found):
      return "\(path) follows version \(found) of the token format; this program knows version "
        + "\(TokenFile.formatVersion). Use a newer program, or encode the images again."
    case .metadata(let path, let key, let reason):
      return
        "\(path): metadata \"\(key)\": \(reason). Correct the program that wrote it; or encode "
        + "the images again."
    case .layout(let path, let reason):
      return "\(path) contradicts itself: \(reason). Correct the program that wrote it; or copy it "
        + "or encode the images again."
    case .missingSidecar(let path, let sidecar):
      return "\(path) comes without \(sidecar), which describes its ids. "
        + "Copy both files; if there is none, encoding was interrupted: run it again. Ids of another "
        + "program need none in .npy and .safetensors files."
    case .idOutOfRange(let path, let image, let imagePath, let position, let id, let size):
      return "\(path): token \(position) of image \(image) (\(imagePath)) is \(id), but the "
        + "codebook has \(size) codes, 0 to \(size - 1). The file is damaged, or a program wrote "
        + "ids of its own, such as a padding or end token, which must be removed first."
    case .checksum(let path, let expected, let found):
      return "\(path): its ids have the checksum \(found), expected \(expected). The file is "
        + "damaged, or it belongs to another JSON file: copy it again. If another program wrote "
        + "the ids, remove \"checksum\", \"xxh64\", \"paths\" and \"sizes\", or everything but the ids: an "
        + "array alone is decoded too."
    case .missingPiece(let path, let reason):
      return "\(path): \(reason). Copy the missing shard or resume encoding; "
        + "to use only the shards that exist, name each of them."
    case .mixedPieces(let path, let other, let reason):
      return "\(path) and \(other) do not belong together: \(reason). Use files of one run."
    case .otherClasses(let path, let found, let expected):
      let reason =
        ImageClasses.difference(found, of: "it", expected, of: "this run") ?? "its classes differ"
      return "\(path) cannot be continued: \(reason). All files of a run have the same classes: "
        + "name the same folders as when it was begun, or encode all images again."
    case .foreignTokenizer(let path, let tokens, let tokenizer):
      if tokens.isContinuous || tokenizer.isContinuous {
        return "\(path) was written by \(tokens.summary), but \(tokenizer.summary) is to read it. "
          + (tokens.isContinuous
            ? "Latents are meaningful only to their own autoencoder"
            : "An autoencoder with a continuous bottleneck has no tokens")
          + ": name the checkpoint that encoded them, or encode the images again with this one."
      }
      return "\(path) was written by another tokenizer (\(tokens.summary)) than the one that is "
        + "to read it (\(tokenizer.summary)). Tokens are meaningful only to their own tokenizer: "
        + "name the checkpoint that encoded them, or encode the images again with this one."
    case .record(let imagePath, let reason):
      return "cannot write the tokens of \(imagePath): \(reason)."
    case .empty(let path):
      return "cannot write \(path): there is no image in it. Name at least one image."
    case .emptyPart(let path, let number, let total):
      return
        "\(path) holds no image: it is part \(number) of \(total) of a set, and none of its images could be "
        + "used. Join the parts by encode --merge, and name what they make."
    case .halfReplaced(let path, let sidecar, let partial, let reason):
      return
        "\(path) has the new ids, but \(sidecar) could not be replaced: \(reason). Their description "
        + "is in \(partial), where decode finds it: rename it to \(sidecar), or run again."
    case .output(let path, let reason):
      return "cannot write tokens to \(path): \(reason)."
    }
  }
}
