import Files
import Safetensors

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Writes images' tokens, one after the other, in bounded memory.
///
/// Ids go to an unnamed file on disk until the header that stands in front of them is known; then the
/// token file appears whole, at once. With `shard`, every so many images form a shard,
/// `NAME-00001.safetensors` and on, each a complete token file. Whatever interrupts the program, the
/// finished shards stay, and a writer with `resume` continues after them.
///
/// A single file whose paths would fill the header is divided into shards as well.
public final class TokenWriter {
  /// The paths of the images in the shards that were there already.
  public let finishedPaths: NameSet

  /// How many of the files that ``finish()`` returns were there at the start and have been checked.
  public private(set) var foundCount: Int

  private let identity: TokenizerIdentity
  private let recipe: Recipe
  private let classes: [String]
  private let idType: ElementType
  private let hasIndex: Bool
  private var part: EncodedPart?
  private let name: PieceName
  private let shard: Int
  private let headerLimit: Int
  private let spill: SpillFile
  private var builder: PieceBuilder
  private var pieceCount: Int
  private var files: [String]
  private var isDivided: Bool
  /// Whether new shards are collected beside old ones, to replace them at the end.
  private let isStaged: Bool
  private var lock: FileLock?
  private var failure: TokenFileError?
  private var isFinished = false
  /// True when a finished single file was found: nothing can be added to it.
  private let isComplete: Bool

  /// Prepares to write to `path`; nothing appears there before a shard is complete.
  ///
  /// - `format`: must agree with the path's extension, which may be omitted.
  /// - `classes`: the names that the images' labels are indices of, each once; without any, no labels
  ///   are written.
  /// - `idType`: U8, U16 or U32; nil for the smallest that holds the codebook.
  /// - `hasIndex`: whether an index is written beside flat ids, with which Megatron-LM reads them; U32
  ///   are I32 then, since it knows no other.
  /// - `part`: which share of a set the images are, where several programs encode one.
  /// - `shard`: images per shard, 1 or more; nil for one file.
  /// - `resume`: keep the existing shards (`finishedPaths`) and continue after them. Without it,
  ///   shards from an earlier run are an error; a single file is replaced.
  /// - `replace`: whatever is there stays until all new tokens are, and is replaced then. Shards
  ///   that an interrupted replacement has finished are found by `resume`.
  ///
  /// Until `finish()` no other writer can have the same output.
  ///
  /// Errors: an identity that makes no sense, a name that does not fit, integers that do not hold the
  /// ids, classes that repeat or are too
  /// many for a header, shards of another tokenizer, recipe or list of classes, a folder that does not
  /// exist or is full, another writer at work (`busy`).
  public convenience init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe,
    classes: [String] = [], idType: ElementType? = nil, hasIndex: Bool = false,
    part: EncodedPart? = nil, shard: Int? = nil, resume: Bool = false, replace: Bool = false
  ) throws(TokenFileError) {
    // Below the 100 MB that a safetensors header may take, with room for all the rest.
    try self.init(
      path: path, format: format, identity: identity, recipe: recipe, classes: classes,
      idType: idType, hasIndex: hasIndex, part: part, shard: shard, resume: resume,
      replace: replace, headerLimit: 64 << 20)
  }

  package init(
    path: String, format: TokenFormat, identity: TokenizerIdentity, recipe: Recipe,
    classes: [String] = [], idType: ElementType? = nil, hasIndex: Bool = false,
    part: EncodedPart? = nil, shard: Int?, resume: Bool, replace: Bool = false, headerLimit: Int
  ) throws(TokenFileError) {
    precondition(!(resume && replace), "what is there is kept or replaced")
    precondition(!hasIndex || format == .bin, "an index is of flat ids")
    if let (key, reason) = identity.problem {
      throw .metadata(path: path, key: key, reason: reason)
    }
    guard recipe.digitOrder == Recipe.channelZeroFirst else {
      throw .metadata(
        path: path, key: "digit_order", reason: "expected \"\(Recipe.channelZeroFirst)\"")
    }
    if let reason = ImageClasses.problem(classes) {
      throw .metadata(path: path, key: "classes", reason: reason)
    }
    let classesSize = PieceBuilder.headerSize(of: classes)
    guard classesSize <= headerLimit / 2 else {
      throw .output(
        path: path,
        reason:
          "the names of \(classes.count) classes take \(classesSize) bytes, and each file has "
          + "room for \(headerLimit / 2). Leave the labels out")
    }
    if let shard, shard < 1 {
      throw .output(path: path, reason: "shards of \(shard) images. Use 1 or more")
    }
    name = try PieceName(output: path, format: format)
    let type = try Self.type(idType, for: identity, hasIndex: hasIndex, path: path)
    self.idType = type
    self.hasIndex = hasIndex
    self.part = part
    self.identity = identity
    self.recipe = recipe
    self.classes = classes
    self.shard = shard ?? .max
    self.headerLimit = headerLimit
    do { lock = try FileLock(path: name.lockFile) } catch {
      throw .file(FileError(.write, name.data, error.reason))
    }
    FlatPair.settle(name)
    try PieceSwap(of: name)?.finish()
    let staged = name.staged.finishedNumbers()
    if resume {
      isStaged = !staged.isEmpty
    } else {
      for number in staged.reversed() { try name.staged.numbered(number).remove() }
      isStaged = replace && (!name.finishedNumbers().isEmpty || PieceName.exists(name.data))
    }
    let found = try Self.survey(
      isStaged ? name.staged : name, identity, recipe, classes, type, part, isDivided: shard != nil,
      resume: resume)
    if hasIndex { try MegatronIndex.checkRoom(isStaged ? name.staged : name, found.pieces) }
    if isStaged { try Self.checkSidecar(name) }
    if shard != nil { try Self.checkSidecar(name.numbered(1)) }
    finishedPaths = found.paths
    pieceCount = found.pieceCount
    let hasIndex = hasIndex
    files = found.pieces.flatMap { $0.name.files + (hasIndex ? [$0.name.index] : []) }
    foundCount = files.count
    isComplete = found.isComplete
    isDivided = shard != nil || pieceCount > 0
    do { spill = try SpillFile(for: name) } catch { throw .file(error) }
    builder = Self.builder(identity, recipe, classes, type, hasIndex, part, spill)
  }

  /// Adds one image.
  ///
  /// Errors: tokens that do not fill the grid or are not below K, sizes that contradict the grid, a
  /// label that is no index of the classes, a full disk. A refused record leaves the writer as it was;
  /// after a full disk nothing more goes.
  public func append(_ record: TokenRecord) throws(TokenFileError) {
    if let failure { throw failure }
    precondition(!isFinished, "append to a TokenWriter after finish")
    if let reason = record.problem(for: identity, classCount: classes.count) {
      throw .record(imagePath: record.path, reason: reason)
    }
    guard !isComplete else {
      throw .output(
        path: name.data,
        reason: "it is complete, and nothing can be added to a single file. Name another output, "
          + "or encode everything again")
    }
    // A shard is closed only when the next image arrives, so that the last one can be marked.
    let full =
      builder.count >= shard
      || builder.headerSize + PieceBuilder.headerSize(of: record.path) > headerLimit
    if builder.count > 0, full {
      isDivided = true
      try close(isLast: false)
    }
    do { try builder.append(record) } catch { throw remember(.file(error)) }
  }

  /// Completes the last shard and returns the paths of all files, those found at the start
  /// included.
  ///
  /// - Parameter rejected: the images that could not be used, which a part tells of.
  ///
  /// Errors: no image at all, unless it is a part: then its file tells that it has none.
  public func finish(
    rejected: [EncodedPart.Rejection] = []
  ) throws(TokenFileError) -> [String] {
    if let failure { throw failure }
    precondition(!isFinished, "finish of a TokenWriter after finish")
    part = part?.completed(rejected)
    builder.part = part
    if builder.count == 0 {
      if files.isEmpty {
        guard part != nil else { throw .empty(path: name.data) }
        try close(isLast: true)
      } else if pieceCount > 0 {
        try markLast()
      }
    } else {
      try close(isLast: true)
    }
    if isStaged { try replaceOld() }
    isFinished = true
    lock = nil
    return files
  }

  /// Where a shard is written.
  private func piece(_ number: Int) -> PieceName {
    (isStaged ? name.staged : name).numbered(number)
  }

  /// The new tokens are complete: puts them in the place of the old ones.
  private func replaceOld() throws(TokenFileError) {
    guard isDivided else {
      // The single file has its place already, and goes before shards of its name.
      for number in name.finishedNumbers().reversed() { try name.numbered(number).remove() }
      return
    }
    do {
      try PieceSwap(of: name, count: pieceCount).finish()
    } catch let error as TokenFileError {
      throw remember(error)
    } catch let error as FileError {
      throw remember(.file(error))
    } catch {
      throw remember(.output(path: name.data, reason: "\(error)"))
    }
    files = (1...pieceCount).flatMap { number in
      let piece = name.numbered(number)
      return piece.files + (hasIndex ? [piece.index] : [])
    }
  }

  /// Writes out what has gathered.
  private func close(isLast: Bool) throws(TokenFileError) {
    let target = isDivided ? piece(pieceCount + 1) : name
    do throws(TokenFileError) {
      if isDivided { try Self.checkSidecar(target) }
      files += try builder.write(
        to: target, shard: isDivided ? pieceCount + 1 : nil, isLast: isLast)
    } catch { throw remember(error) }
    do { try spill.clear() } catch { throw remember(.file(error)) }
    pieceCount += isDivided ? 1 : 0
    builder = Self.builder(identity, recipe, classes, idType, hasIndex, part, spill)
  }

  /// Writes the last shard that was found once more if it does not say that it is the last.
  ///
  /// That happens when the images that were to follow it are not there any more on resuming, or cannot be
  /// used.
  private func markLast() throws(TokenFileError) {
    let last = try TokenPiece(path: piece(pieceCount).data)
    if last.isLast, last.part?.rejectedCount == part?.rejectedCount { return }
    foundCount -= name.files.count + (hasIndex ? 1 : 0)
    for image in 0..<last.count {
      let record = try last.record(at: image)
      do { try builder.append(record) } catch { throw remember(.file(error)) }
    }
    do {
      _ = try builder.write(to: piece(pieceCount), shard: pieceCount, isLast: true)
    } catch { throw remember(error) }
  }

  private func remember(_ error: TokenFileError) -> TokenFileError {
    failure = error
    lock = nil
    return error
  }
}

extension TokenWriter {
  /// The shards of an earlier run.
  private struct Survey {
    var paths = NameSet()
    var pieceCount = 0
    var isComplete = false
    var pieces: [(name: PieceName, piece: TokenPiece)] = []
  }

  /// A shard to fill.
  private static func builder(
    _ identity: TokenizerIdentity, _ recipe: Recipe, _ classes: [String], _ idType: ElementType,
    _ hasIndex: Bool, _ part: EncodedPart?, _ spill: SpillFile
  ) -> PieceBuilder {
    PieceBuilder(
      identity: identity, recipe: recipe, classes: classes, idType: idType, hasIndex: hasIndex,
      part: part, spill: spill)
  }

  /// The integers that ids are written as.
  private static func type(
    _ wanted: ElementType?, for identity: TokenizerIdentity, hasIndex: Bool, path: String
  ) throws(TokenFileError) -> ElementType {
    let type = wanted ?? identity.idType
    let bits = type.byteCount * 8
    guard [.u8, .u16, .u32].contains(type), identity.codebookSize <= 1 << bits else {
      throw .output(
        path: path,
        reason: "ids up to \(identity.codebookSize - 1) do not fit \(type.rawValue). "
          + "Use \(identity.idType.rawValue)")
    }
    guard hasIndex, type == .u32 else { return type }
    guard identity.codebookSize <= 1 << 31 else {
      throw .output(path: path, reason: "an index knows no ids above 2147483647. Leave it out")
    }
    return .i32
  }

  private static func survey(
    _ name: PieceName, _ identity: TokenizerIdentity, _ recipe: Recipe, _ classes: [String],
    _ type: ElementType, _ part: EncodedPart?, isDivided: Bool, resume: Bool
  ) throws(TokenFileError) -> Survey {
    var found = Survey()
    let numbers = name.finishedNumbers()
    let single = name.isFinished
    try checkSidecar(name)
    guard resume else {
      if let number = numbers.first {
        throw .output(
          path: name.data,
          reason: "\(name.numbered(number).data) exists from an earlier run. "
            + "Resume that run, remove its files, or choose another name")
      }
      if single, isDivided {
        throw .output(
          path: name.data,
          reason: "\(name.data) exists, and shards beside it would be mistaken for it. "
            + "Remove it or choose another name")
      }
      return found
    }
    for (index, number) in numbers.enumerated() where number != index + 1 {
      throw .missingPiece(
        path: name.numbered(index + 1).data,
        reason: "this shard is missing, but shard \(number) exists")
    }
    let names = numbers.isEmpty ? (single ? [name] : []) : numbers.map(name.numbered)
    for piece in names {
      let opened = try TokenPiece(path: piece.data)
      try opened.check(identity: identity, recipe: recipe, of: name.data)
      guard opened.part?.begun == part else {
        throw .output(
          path: piece.data,
          reason:
            "it is a part of another set of images, or of other parts. Encode the same images, or "
            + "remove it")
      }
      let names = opened.classes.names
      guard ImageClasses.areSame(names, classes) else {
        throw .otherClasses(path: piece.data, found: names, expected: classes)
      }
      guard opened.idType == type else {
        throw .output(
          path: piece.data,
          reason: "its ids are \(opened.idType.rawValue), and those of this run would be "
            + "\(type.rawValue). Ask for the same type, or encode everything again")
      }
      for path in opened.paths { found.paths.insert(path) }
      found.pieces.append((piece, opened))
    }
    found.pieceCount = numbers.count
    found.isComplete = numbers.isEmpty && single
    return found
  }

  /// Refuses a name whose JSON file belongs to something else: not just any may be overwritten.
  private static func checkSidecar(_ name: PieceName) throws(TokenFileError) {
    guard let sidecar = name.sidecar, PieceName.exists(sidecar) else { return }
    guard let header = try? RawTokenPiece.header(sidecar: sidecar), header.storage == name.format
    else {
      throw .output(
        path: name.data,
        reason: "\(sidecar) would be replaced, and it belongs to something else. "
          + "Choose another name")
    }
  }
}

/// Ids on their way: kept on disk while the header that must stand in front of them is not known.
///
/// The file has no name any more once it is open, so whatever ends the process frees its room. It
/// lies in the folder of the output, since that is where there must be room anyway.
final class SpillFile {
  private let path: String
  private let descriptor: Int32
  private let calls = SystemCalls.current
  private(set) var byteCount = 0
  private var buffer: [UInt8] = []

  private static let bufferSize = 1 << 20

  /// Opens the file that ids for `name` gather in.
  ///
  /// The name is always the same, and only the holder of the output's lock uses it: what a process
  /// left that was killed between two calls is taken over.
  init(for name: PieceName) throws(FileError) {
    path = name.data
    let temporary = name.stem + ".spill"
    descriptor = open(
      temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(.write, path, .system(errno)) }
    unlink(temporary)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    buffer.append(contentsOf: bytes)
    byteCount += bytes.count
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Hands over all bytes from the beginning, in chunks of bounded size.
  func read<E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> Void, failing: (FileError) -> E
  ) throws(E) {
    do { try flush() } catch { throw failing(error) }
    var piece = [UInt8](repeating: 0, count: Self.bufferSize)
    var position = 0
    while position < byteCount {
      let count = piece.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress, $0.count, off_t(position))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw failing(FileError(.read, path, .system(count < 0 ? errno : EIO)))
      }
      let result = piece.withUnsafeBytes { bytes in
        Result { () throws(E) in try body(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
      }
      try result.get()
      position += count
    }
  }

  /// Forgets everything, for the next shard.
  func clear() throws(FileError) {
    buffer.removeAll(keepingCapacity: true)
    byteCount = 0
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw FileError(.write, path, .system(errno))
    }
  }

  private func flush() throws(FileError) {
    let code = buffer.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    buffer.removeAll(keepingCapacity: true)
    if code != 0 { throw FileError(.write, path, .system(code)) }
  }
}
