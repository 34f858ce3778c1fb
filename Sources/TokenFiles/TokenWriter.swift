import Safetensors

/// Writes images' tokens, one after the other, in bounded memory.
///
/// Ids go to an unnamed file on disk until the header that stands in front of them is known; then the
/// token file appears whole, at once. With `shard`, every so many images make a piece of their own,
/// `NAME-00001.safetensors` and on, each a complete token file. Whatever interrupts the program, the
/// finished pieces stay, and a writer with `resume` goes on after them.
///
/// A single file whose paths would fill the header is divided into pieces as well.
public final class TokenWriter {
  /// The paths of the images in the pieces that were there already.
  public let finishedPaths: Set<String>

  private let identity: TokenizerIdentity
  private let recipe: Recipe
  private let name: PieceName
  private let shard: Int
  private let headerLimit: Int
  private let spill: SpillFile
  private var builder: PieceBuilder
  private var pieceCount: Int
  private var files: [String]
  private var isDivided: Bool
  private var failure: TokenFileError?
  private var isFinished = false
  /// True when a finished single file was found: nothing can be added to it.
  private let isComplete: Bool

  /// Prepares to write to `path`; nothing appears there before a piece is complete.
  ///
  /// - `format`: must agree with the path's extension, which may be left out.
  /// - `shard`: images per piece, 1 or more; nil for one file.
  /// - `resume`: keep the pieces that are there (`finishedPaths`) and go on behind them. Without it,
  ///   pieces from an earlier run are an error; a single file is replaced.
  ///
  /// Errors: an identity that makes no sense, a name that does not fit, pieces of another tokenizer
  /// or recipe, a folder that does not exist or is full.
  public convenience init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe,
    shard: Int? = nil, resume: Bool = false
  ) throws(TokenFileError) {
    // Below the 100 MB that a safetensors header may take, with room for all the rest.
    try self.init(
      path: path, format: format, identity: identity, recipe: recipe, shard: shard, resume: resume,
      headerLimit: 64 << 20)
  }

  package init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe, shard: Int?,
    resume: Bool, headerLimit: Int
  ) throws(TokenFileError) {
    if let (key, reason) = identity.problem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    guard recipe.digitOrder == Recipe.channelZeroFirst else {
      throw .metadata(
        path: path, key: "digit_order", reason: "expected \"\(Recipe.channelZeroFirst)\"")
    }
    if let shard, shard < 1 {
      throw .output(path: path, reason: "pieces of \(shard) images. Use 1 or more")
    }
    name = try PieceName(output: path, format: format)
    self.identity = identity
    self.recipe = recipe
    self.shard = shard ?? .max
    self.headerLimit = headerLimit
    let found = try Self.survey(name, identity, recipe, isDivided: shard != nil, resume: resume)
    finishedPaths = found.paths
    pieceCount = found.pieceCount
    files = found.files
    isComplete = found.isComplete
    isDivided = shard != nil || pieceCount > 0
    do { spill = try SpillFile(beside: name.data) } catch { throw .file(error) }
    builder = PieceBuilder(identity: identity, recipe: recipe, spill: spill)
  }

  /// Adds one image.
  ///
  /// Errors: tokens that do not fill the grid or are not below K, sizes that contradict the grid, a
  /// full disk. A refused record leaves the writer as it was; after a full disk nothing more goes.
  public func append(_ record: TokenRecord) throws(TokenFileError) {
    if let failure { throw failure }
    precondition(!isFinished, "append to a TokenWriter after finish")
    if let reason = record.problem(for: identity) {
      throw .record(imagePath: record.path, reason: reason)
    }
    guard !isComplete else {
      throw .output(
        path: name.data,
        reason: "it is complete, and nothing can be added to a single file. Name another output, "
          + "or encode everything anew")
    }
    // A piece is closed only when the next image is there: so the last one knows that it is.
    let full =
      builder.count >= shard
      || builder.headerSize + PieceBuilder.headerSize(of: record.path) > headerLimit
    if builder.count > 0, full {
      isDivided = true
      try close(isLast: false)
    }
    do { try builder.append(record) } catch { throw remember(.file(error)) }
  }

  /// Completes the last piece and returns the paths of all files, those found at the start included.
  public func finish() throws(TokenFileError) -> [String] {
    if let failure { throw failure }
    precondition(!isFinished, "finish of a TokenWriter after finish")
    if builder.count == 0 {
      guard !files.isEmpty else { throw .empty(path: name.data) }
      if pieceCount > 0 { try markLast() }
    } else {
      try close(isLast: true)
    }
    isFinished = true
    return files
  }

  /// Writes out what has gathered.
  private func close(isLast: Bool) throws(TokenFileError) {
    let target = isDivided ? name.numbered(pieceCount + 1) : name
    do throws(TokenFileError) {
      files += try builder.write(
        to: target, shard: isDivided ? pieceCount + 1 : nil, isLast: isLast)
    } catch { throw remember(error) }
    do { try spill.clear() } catch { throw remember(.file(error)) }
    pieceCount += isDivided ? 1 : 0
    builder = PieceBuilder(identity: identity, recipe: recipe, spill: spill)
  }

  /// Writes the last piece that was found once more if it does not say that it is the last.
  ///
  /// That happens when the images that were to follow it are not there any more on resuming.
  private func markLast() throws(TokenFileError) {
    let piece = try TokenPiece(path: name.numbered(pieceCount).data)
    if piece.isLast { return }
    for image in 0..<piece.count {
      do { try builder.append(piece.record(at: image)) } catch { throw remember(.file(error)) }
    }
    do {
      _ = try builder.write(to: name.numbered(pieceCount), shard: pieceCount, isLast: true)
    } catch { throw remember(error) }
  }

  private func remember(_ error: TokenFileError) -> TokenFileError {
    failure = error
    return error
  }
}

extension TokenWriter {
  /// What an earlier run left.
  private struct Survey {
    var paths: Set<String> = []
    var files: [String] = []
    var pieceCount = 0
    var isComplete = false
  }

  private static func survey(
    _ name: PieceName, _ identity: TokenizerIdentity, _ recipe: Recipe, isDivided: Bool,
    resume: Bool
  ) throws(TokenFileError) -> Survey {
    var found = Survey()
    let numbers = name.finishedNumbers()
    let single = PieceName.exists(name.seal)
    if let sidecar = name.sidecar, single {
      // Not just any JSON file may be overwritten.
      guard let header = try? RawTokenPiece.header(sidecar: sidecar),
        header.storage == name.format
      else {
        throw .output(
          path: name.data,
          reason: "\(sidecar) would be replaced, and it belongs to something else. "
            + "Choose another name")
      }
    }
    guard resume else {
      if let number = numbers.first {
        throw .output(
          path: name.data,
          reason: "\(name.numbered(number).data) is there from an earlier run. "
            + "Resume that run, remove its files, or choose another name")
      }
      if single, isDivided {
        throw .output(
          path: name.data,
          reason: "\(name.data) is there, and pieces beside it would be mistaken for it. "
            + "Remove it or choose another name")
      }
      return found
    }
    for (index, number) in numbers.enumerated() where number != index + 1 {
      throw .missingPiece(
        path: name.numbered(index + 1).data,
        reason: "this piece is missing, while piece \(number) is there")
    }
    let names = numbers.isEmpty ? (single ? [name] : []) : numbers.map(name.numbered)
    for piece in names {
      let opened = try TokenPiece(path: piece.data)
      try opened.check(identity: identity, recipe: recipe, of: name.data)
      found.paths.formUnion(opened.paths)
      found.files += [piece.data] + (piece.sidecar.map { [$0] } ?? [])
    }
    found.pieceCount = numbers.count
    found.isComplete = numbers.isEmpty && single
    return found
  }
}
