import Safetensors

/// What was found in a piece, before it is known to make sense.
struct RawTokenPiece {
  var path: String
  var header: TokenHeader
  var array: TokenArray
  var offsets: [Int]?
  var grids: [Extent]?
  var sizes: [Extent]?
  var paddedSizes: [Extent]?

  /// Opens one piece by the name of any of its files.
  init(path: String) throws(TokenFileError) {
    switch TokenFormat(path: path) {
    case .npy, .bin: try self.init(flat: path)
    case .safetensors, nil:
      if path.hasSuffix(".json") {
        try self.init(sidecar: path)
      } else {
        try self.init(safetensors: path)
      }
    }
  }

  private init(safetensors path: String) throws(TokenFileError) {
    let file: SafetensorsFile
    do { file = try SafetensorsFile(path: path) } catch {
      if case .file(let error) = error { throw .file(error) }
      throw .safetensors(error)
    }
    header = try TokenHeader(texts: file.metadata, path: path)
    guard let tokens = file.entries.first(where: { $0.name == "tokens" }) else {
      throw .notTokens(path: path, reason: "it has no tensor \"tokens\"")
    }
    array = TokenArray(source: .tensor(file, tokens), type: tokens.type, shape: tokens.shape)
    self.path = path
    offsets = try Self.offsets(in: file)
    grids = try Self.extents("grids", in: file)
    sizes = try Self.extents("sizes", in: file)
    paddedSizes = try Self.extents("padded_sizes", in: file)
  }

  private static func offsets(in file: SafetensorsFile) throws(TokenFileError) -> [Int]? {
    guard let entry = file.entries.first(where: { $0.name == "offsets" }) else { return nil }
    guard entry.type == .i64, entry.shape.count == 1 else {
      throw .layout(
        path: file.path,
        reason: "\"offsets\" is \(entry.type.rawValue) \(entry.shape), expected I64 [N + 1]")
    }
    return file.withBytes(of: entry) { bytes in
      (0..<entry.elementCount).map {
        Int(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Int64.self))
      }
    }
  }

  private static func extents(
    _ name: String, in file: SafetensorsFile
  ) throws(TokenFileError) -> [Extent]? {
    guard let entry = file.entries.first(where: { $0.name == name }) else { return nil }
    guard entry.type == .u32, entry.shape.count == 2, entry.shape[1] == 2 else {
      throw .layout(
        path: file.path,
        reason: "\"\(name)\" is \(entry.type.rawValue) \(entry.shape), expected U32 [N, 2]")
    }
    return file.withBytes(of: entry) { bytes in
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
    let stem = PieceName.withoutExtension(path)
    let header = try Self.header(sidecar: path)
    guard let storage = header.storage, storage != .safetensors else {
      throw .metadata(path: path, key: "storage", reason: "expected \"npy\" or \"bin\"")
    }
    try self.init(flat: PieceName(stem: stem, format: storage).data)
  }

  private init(flat path: String) throws(TokenFileError) {
    let format: TokenFormat = TokenFormat(path: path) == .npy ? .npy : .bin
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    let sidecar = PieceName.withoutExtension(path) + ".json"
    guard PieceName.exists(sidecar) else { throw .missingSidecar(path: path, sidecar: sidecar) }
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
        path: sidecar, key: "dtype", reason: "expected U8, U16 or U32, found \"\(name)\"")
    }
    let declared = TensorDeclaration(name: "tokens", type: type, shape: shape)
    guard let expected = declared.byteCount, expected == byteCount else {
      throw .metadata(
        path: sidecar, key: "byte_count",
        reason: "\(byteCount) bytes are not \(name) of shape \(shape)")
    }
    var start = 0
    if format == .npy {
      let (found, dataStart) = try NpyHeader.parse(file.bytes, path: path)
      guard found == NpyHeader(type: type, shape: shape) else {
        throw .layout(
          path: path,
          reason: "it is \(found.type.rawValue) \(found.shape), but \(sidecar) says "
            + "\(name) \(shape)")
      }
      start = dataStart
    }
    guard file.bytes.count - start == byteCount else {
      throw .layout(
        path: path,
        reason: "it holds \(file.bytes.count - start) bytes of ids, but \(sidecar) says "
          + "\(byteCount)")
    }
    array = TokenArray(source: .flat(file, start: start), type: type, shape: shape)
    self.path = path
    offsets = header.offsets
    grids = try Self.extents(header.grids, "grids", path: sidecar)
    sizes = try Self.extents(header.sizes, "sizes", path: sidecar)
    paddedSizes = try Self.extents(header.paddedSizes, "padded_sizes", path: sidecar)
  }

  static func header(sidecar path: String) throws(TokenFileError) -> TokenHeader {
    do {
      let file = try MappedFile(path: path)
      return try TokenHeader(sidecar: file.bytes, path: path)
    } catch let error as FileError {
      throw .file(error)
    } catch let error as TokenFileError {
      throw error
    } catch {
      throw .notTokens(path: path, reason: "\(error)")
    }
  }

  private static func extents(
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
