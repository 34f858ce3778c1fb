import Files
import Safetensors

/// What was found in a shard, before it is validated.
struct RawTokenPiece {
  var path: String
  var header: TokenHeader
  var array: TokenArray
  var offsets: [Int]?
  var grids: [Extent]?
  var sizes: [Extent]?
  var paddedSizes: [Extent]?
  var labels: [Int]?

  /// Whether the ids came without a word on their tokenizer, so that the assumption was taken.
  var isAssumed = false
  /// The JSON file that describes flat ids.
  private(set) var sidecar: String?

  /// Opens one shard by the name of any of its files.
  init(path: String, assuming assumption: TokenAssumption?) throws(TokenFileError) {
    switch TokenFormat(path: path) {
    case .npy, .bin: try self.init(flat: path, assuming: assumption)
    case .safetensors, nil:
      if path.hasSuffix(".json") {
        try self.init(sidecar: path)
      } else {
        try self.init(safetensors: path, assuming: assumption)
      }
    }
  }

  private init(
    safetensors path: String, assuming assumption: TokenAssumption?
  ) throws(TokenFileError) {
    let file: SafetensorsFile
    do { file = try SafetensorsFile(path: path) } catch {
      if case .file(let error) = error { throw .file(error) }
      throw .safetensors(error)
    }
    let isBare = file.metadata["format_version"] == nil && file.metadata["fingerprint"] == nil
    let tokens: TensorEntry
    if let assumption, isBare {
      header = TokenHeader(identity: assumption.identity, recipe: .generated)
      isAssumed = true
      tokens = try Self.onlyArray(in: file)
    } else {
      header = try TokenHeader(texts: file.metadata, path: path)
      guard let named = file.entries.first(where: { $0.name == "tokens" }) else {
        throw .notTokens(path: path, reason: "it has no tensor \"tokens\"")
      }
      tokens = named
    }
    array = TokenArray(
      source: .tensor(file.withoutMetadata, tokens), type: tokens.type, shape: tokens.shape)
    self.path = path
    offsets = try Self.offsets(in: file)
    grids = try Self.extents("grids", in: file)
    sizes = try Self.extents("sizes", in: file)
    paddedSizes = try Self.extents("padded_sizes", in: file)
    // Without metadata they are another program's, and name no classes.
    labels = isAssumed ? nil : try Self.labels(in: file)
  }

  /// The tensor "tokens", or the only one of whole numbers.
  private static func onlyArray(in file: SafetensorsFile) throws(TokenFileError) -> TensorEntry {
    if let named = file.entries.first(where: { $0.name == "tokens" }) { return named }
    let whole = file.entries.filter { TokenArray.types.contains($0.type) }
    guard let only = whole.first, whole.count == 1 else {
      let names = file.entries.prefix(5).map { "\"\($0.name)\" \($0.type.rawValue)" }
      throw .notTokens(
        path: file.path,
        reason: "it has no tensor \"tokens\" but "
          + (names.isEmpty ? "none" : names.joined(separator: ", "))
          + (file.entries.count > 5 ? ", ..." : ""))
    }
    return only
  }

  private static func offsets(in file: SafetensorsFile) throws(TokenFileError) -> [Int]? {
    guard let entry = file.entries.first(where: { $0.name == "offsets" }) else { return nil }
    guard entry.type == .i64, entry.shape.count == 1 else {
      throw .layout(
        path: file.path,
        reason: "\"offsets\" is \(entry.type.rawValue) \(entry.shape), expected I64 [N + 1]")
    }
    return try Self.bytes(of: entry, in: file).withUnsafeBytes { bytes in
      (0..<entry.elementCount).map {
        Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
      }
    }
  }

  static func labels(in file: SafetensorsFile) throws(TokenFileError) -> [Int]? {
    guard let entry = file.entries.first(where: { $0.name == "labels" }) else { return nil }
    guard entry.type == .i32, entry.shape.count == 1 else {
      throw .layout(
        path: file.path,
        reason: "\"labels\" is \(entry.type.rawValue) \(entry.shape), expected I32 [N]")
    }
    return try Self.bytes(of: entry, in: file).withUnsafeBytes { bytes in
      (0..<entry.elementCount).map {
        Int(bytes.loadUnaligned(fromByteOffset: $0 * 4, as: Int32.self))
      }
    }
  }

  static func bytes(
    of entry: TensorEntry, in file: SafetensorsFile
  ) throws(TokenFileError) -> [UInt8] {
    do { return try file.withBytes(of: entry) { Array($0) } } catch {
      if case .file(let error) = error { throw .file(error) }
      throw .safetensors(error)
    }
  }

  static func extents(
    _ name: String, in file: SafetensorsFile
  ) throws(TokenFileError) -> [Extent]? {
    guard let entry = file.entries.first(where: { $0.name == name }) else { return nil }
    guard entry.type == .u32, entry.shape.count == 2, entry.shape[1] == 2 else {
      throw .layout(
        path: file.path,
        reason: "\"\(name)\" is \(entry.type.rawValue) \(entry.shape), expected U32 [N, 2]")
    }
    return try Self.bytes(of: entry, in: file).withUnsafeBytes { bytes in
      (0..<entry.shape[0]).map {
        Extent(
          height: bytes.loadUnaligned(fromByteOffset: $0 * 8, as: UInt32.self),
          width: bytes.loadUnaligned(fromByteOffset: $0 * 8 + 4, as: UInt32.self))
      }
    }
  }
}

extension RawTokenPiece {
  private init(sidecar path: String) throws(TokenFileError) {
    // tokens.npy.json, or tokens.json of earlier versions.
    let stem = PieceName.withoutExtension(path)
    let header = try Self.header(sidecar: path)
    guard let storage = header.storage, storage != .safetensors else {
      throw .metadata(path: path, key: "storage", reason: "expected \"npy\" or \"bin\"")
    }
    let data =
      TokenFormat(path: stem) == storage ? stem : PieceName(stem: stem, format: storage).data
    try self.init(flat: data, assuming: nil)
  }

  private init(flat path: String, assuming assumption: TokenAssumption?) throws(TokenFileError) {
    let format: TokenFormat = TokenFormat(path: path) == .npy ? .npy : .bin
    let file: ReadableFile
    do { file = try ReadableFile(path: path) } catch { throw .file(error) }
    let pair = FlatPair(
      of: PieceName(stem: PieceName.withoutExtension(path), format: format))
    let places = pair.places
    guard let first = places.first else {
      guard let assumption, format == .npy else {
        throw .missingSidecar(path: path, sidecar: pair.sidecar)
      }
      self = try RawTokenPiece(bare: file, assumption)
      return
    }
    do {
      self = try RawTokenPiece(file, format, sidecar: first, checksIds: places.count > 1)
    } catch {
      // A pair that was being replaced: one of these is of the ids that are there.
      for other in places.dropFirst() {
        guard let found = try? RawTokenPiece(file, format, sidecar: other, checksIds: true) else {
          continue
        }
        self = found
        return
      }
      throw error
    }
  }

  /// A numpy array without a word on it.
  private init(bare file: ReadableFile, _ assumption: TokenAssumption) throws(TokenFileError) {
    let (found, start) = try NpyHeader.read(file)
    path = file.path
    header = TokenHeader(identity: assumption.identity, recipe: .generated)
    isAssumed = true
    let declared = TensorDeclaration(name: "tokens", type: found.type, shape: found.shape)
    guard let expected = declared.byteCount, file.byteCount - start == expected else {
      throw .layout(
        path: path,
        reason: "it holds \(file.byteCount - start) bytes behind a header that says "
          + "\(found.type.rawValue) \(found.shape)")
    }
    array = TokenArray(source: .flat(file, start: start), type: found.type, shape: found.shape)
  }

  /// A flat file and what describes it.
  ///
  /// `checksIds` compares the checksum here, where it decides which description is the right one.
  private init(
    _ file: ReadableFile, _ format: TokenFormat, sidecar: String, checksIds: Bool
  ) throws(TokenFileError) {
    path = file.path
    self.sidecar = sidecar
    header = try Self.header(sidecar: sidecar)

    func required<T>(_ value: T?, _ key: String) throws(TokenFileError) -> T {
      guard let value else {
        throw .metadata(path: sidecar, key: key, reason: "it is missing")
      }
      return value
    }
    let storage = try required(header.storage, "storage")
    guard storage == format else {
      throw .metadata(
        path: sidecar, key: "storage", reason: "it describes a \(storage) file, not \(path)")
    }
    let shape = try required(header.shape, "shape")
    let name = try required(header.dtype, "dtype")
    let byteCount = try required(header.byteCount, "byte_count")
    guard let type = ElementType(rawValue: name) else {
      throw .metadata(
        path: sidecar, key: "dtype", reason: "expected integers such as U16, found \"\(name)\""
      )
    }
    let declared = TensorDeclaration(name: "tokens", type: type, shape: shape)
    guard let expected = declared.byteCount, expected == byteCount else {
      throw .metadata(
        path: sidecar, key: "byte_count",
        reason: "\(byteCount) bytes are not \(name) of shape \(shape)")
    }
    var start = 0
    if format == .npy {
      let (found, dataStart) = try NpyHeader.read(file)
      guard found == NpyHeader(type: type, shape: shape) else {
        throw .layout(
          path: path,
          reason: "it is \(found.type.rawValue) \(found.shape), but \(sidecar) says "
            + "\(name) \(shape)")
      }
      start = dataStart
    }
    guard file.byteCount - start == byteCount else {
      throw .layout(
        path: path,
        reason: "it holds \(file.byteCount - start) bytes of ids, but \(sidecar) says "
          + "\(byteCount)")
    }
    array = TokenArray(source: .flat(file, start: start), type: type, shape: shape)
    if checksIds {
      var checksum = IdsChecksum(of: header)
      do { _ = try array.scan(below: .max) { checksum.add($0) } } catch { throw .file(error) }
      try checksum.check(path: path)
    }
    offsets = header.offsets
    grids = try Self.extents(header.grids, "grids", path: sidecar)
    sizes = try Self.extents(header.sizes, "sizes", path: sidecar)
    paddedSizes = try Self.extents(header.paddedSizes, "padded_sizes", path: sidecar)
    labels = header.labels?.map(\.value)
  }

  static func header(sidecar path: String) throws(TokenFileError) -> TokenHeader {
    do {
      let bytes = try ReadableFile.contents(of: path)
      return try bytes.withUnsafeBytes { try TokenHeader(sidecar: $0, path: path) }
    } catch let error as FileError {
      throw .file(error)
    } catch let error as TokenFileError {
      throw error
    } catch {
      throw .notTokens(path: path, reason: "\(error)")
    }
  }

  static func extents(
    _ rows: [[Int]]?, _ key: String, path: String
  ) throws(TokenFileError) -> [Extent]? {
    guard let rows else { return nil }
    var extents: [Extent] = []
    extents.reserveCapacity(rows.count)
    for row in rows {
      guard row.count == 2, let height = UInt32(exactly: row[0]),
        let width = UInt32(exactly: row[1])
      else {
        throw .metadata(
          path: path, key: key, reason: "expected pairs of height and width, found \(row)")
      }
      extents.append(Extent(height: height, width: width))
    }
    return extents
  }
}

extension RawTokenPiece {
  /// Gives ids the shape `[N, h, w]` where they lie in one row an image, or are of one image alone, and
  /// have as many tokens as the assumption's grid: `[N, h w]`, `[h, w]` and `[h w]`.
  ///
  /// Other grids are never guessed.
  mutating func unfold(_ assumption: TokenAssumption?) {
    guard let assumption, offsets == nil, grids == nil else { return }
    let depth = header.depth ?? 1
    var shape = array.shape
    if depth > 1 {
      guard shape.last == depth else { return }
      shape.removeLast()
    }
    let grid = [assumption.gridHeight, assumption.gridWidth]
    let area = grid[0] * grid[1]
    if shape == grid || shape == [area] {
      shape = [1] + grid
    } else if shape.count == 2, shape[1] == area {
      shape = [shape[0]] + grid
    } else {
      return
    }
    array.shape = shape + (depth > 1 ? [depth] : [])
  }
}
