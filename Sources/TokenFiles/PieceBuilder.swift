import Files
import Safetensors

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A shard being written: ids on disk, everything else in memory.
struct PieceBuilder {
  private let identity: TokenizerIdentity
  private let recipe: Recipe
  private let classes: [String]
  private let idType: ElementType
  private let hasIndex: Bool
  /// Which share of a set it is, as the header says it.
  var part: EncodedPart?
  private let spill: SpillFile
  private var checksum = Checksum()
  private var stream = Fingerprint.Stream()
  private var grids: [Extent] = []
  private var sizes: [Extent] = []
  private var paths = NameList()
  private var labels: [Int32] = []
  /// Bytes that paths and classes take in a safetensors header.
  private(set) var headerSize: Int

  var count: Int { paths.count }

  /// Begins a shard.
  ///
  /// - `idType`: the integers that ids are written as.
  /// - `hasIndex`: whether a `MegatronIndex` is written beside flat ids.
  init(
    identity: TokenizerIdentity, recipe: Recipe, classes: [String], idType: ElementType,
    hasIndex: Bool, part: EncodedPart?, spill: SpillFile
  ) {
    self.identity = identity
    self.idType = idType
    self.hasIndex = hasIndex
    self.part = part
    self.recipe = recipe
    self.classes = classes
    self.spill = spill
    headerSize = Self.headerSize(of: classes)
  }

  /// Bytes of a list of names as JSON text inside a JSON string.
  static func headerSize(of names: [String]) -> Int {
    names.reduce(0) { $0 + headerSize(of: $1) }
  }

  /// Bytes of a path as JSON text inside a JSON string.
  static func headerSize(of path: String) -> Int {
    path.utf8.reduce(5) { sum, byte in
      switch byte {
      case UInt8(ascii: "\""), UInt8(ascii: "\\"): sum + 4
      case 0..<0x20: sum + 7
      default: sum + 1
      }
    }
  }

  mutating func append(_ record: TokenRecord) throws(FileError) {
    switch idType {
    case .u8: try append(ids: record.tokens.map { UInt8($0) })
    case .u16: try append(ids: record.tokens.map { UInt16($0) })
    case .i32: try append(ids: record.tokens.map { Int32($0) })
    default: try append(ids: record.tokens)
    }
    grids.append(Extent(height: UInt32(record.gridHeight), width: UInt32(record.gridWidth)))
    sizes.append(Extent(height: UInt32(record.height), width: UInt32(record.width)))
    paths.append(record.path)
    if !classes.isEmpty { labels.append(Int32(record.label ?? ImageClasses.none)) }
    headerSize += Self.headerSize(of: record.path)
  }

  private mutating func append<T>(ids: [T]) throws(FileError) {
    let result = ids.withUnsafeBytes { bytes in
      checksum.add(bytes)
      stream.add(bytes)
      return Result { () throws(FileError) in try spill.append(bytes) }
    }
    try result.get()
  }

  /// Writes the shard atomically, and returns the files' paths.
  func write(
    to name: PieceName, shard: Int?, isLast: Bool
  ) throws(TokenFileError) -> [String] {
    var header = TokenHeader(identity: identity, recipe: recipe)
    header.paths = paths
    header.classes = classes.isEmpty ? nil : classes
    header.checksum = checksum.hexadecimal
    header.xxh64 = Fingerprint.hexadecimal(stream.value)
    header.shard = shard
    header.lastShard = shard == nil ? nil : isLast
    header.part = part
    do {
      switch name.format {
      case .safetensors: try writeTensors(to: name.data, header)
      case .npy, .bin: try writeFlat(to: name, header)
      }
    } catch let error as TokenFileError {
      throw error
    } catch let error as SafetensorsError {
      if case .file(let error) = error { throw .file(error) }
      throw .safetensors(error)
    } catch let error as FileError {
      throw .file(error)
    } catch {
      throw .output(path: name.data, reason: "\(error)")
    }
    return name.files + (hasIndex ? [name.index] : [])
  }

  /// Whether all grids are equal, so that one array holds them.
  private var isUniform: Bool {
    guard let first = grids.first else { return false }
    return grids.allSatisfy { $0 == first }
  }

  /// `[N, h, w]` where all grids are equal, else `[T]`; with the depth behind where it is more than 1.
  private var shape: [Int] {
    let depth = identity.depth > 1 ? [identity.depth] : []
    if isUniform { return [count, Int(grids[0].height), Int(grids[0].width)] + depth }
    return [spill.byteCount / idType.byteCount / identity.depth] + depth
  }

  /// Where each image's tokens begin, and where the last one's end.
  private var offsets: [Int] {
    var end = 0
    return [0]
      + grids.map {
        end += Int($0.height) * Int($0.width)
        return end
      }
  }

  private var paddedSizes: [Extent] {
    let side = UInt32(identity.downsampling)
    return grids.map { Extent(height: $0.height * side, width: $0.width * side) }
  }

  private func writeTensors(to path: String, _ header: TokenHeader) throws {
    let shape = shape
    var tensors = [
      TensorDeclaration(name: "tokens", type: idType, shape: shape),
      TensorDeclaration(name: "sizes", type: .u32, shape: [count, 2]),
      TensorDeclaration(name: "padded_sizes", type: .u32, shape: [count, 2]),
    ]
    if !isUniform {
      tensors += [
        TensorDeclaration(name: "offsets", type: .i64, shape: [count + 1]),
        TensorDeclaration(name: "grids", type: .u32, shape: [count, 2]),
      ]
    }
    if !classes.isEmpty {
      tensors.append(TensorDeclaration(name: "labels", type: .i32, shape: [count]))
    }
    let writer = try SafetensorsWriter(path: path, tensors: tensors, metadata: header.texts())
    for entry in writer.entries {
      switch entry.name {
      case "tokens":
        try spill.read(
          { bytes throws(SafetensorsError) in try writer.append(bytes, to: "tokens") },
          failing: { .file($0) })
      case "offsets":
        try offsets.map { Int64($0) }.withUnsafeBytes { try writer.append($0, to: "offsets") }
      case "grids": try grids.withUnsafeBytes { try writer.append($0, to: "grids") }
      case "labels": try labels.withUnsafeBytes { try writer.append($0, to: "labels") }
      case "sizes": try sizes.withUnsafeBytes { try writer.append($0, to: "sizes") }
      default:
        try paddedSizes.withUnsafeBytes { try writer.append($0, to: "padded_sizes") }
      }
    }
    try writer.finish()
  }

  private func writeFlat(to name: PieceName, _ header: TokenHeader) throws {
    func rows(_ extents: [Extent]) -> [[Int]] { extents.map { [Int($0.height), Int($0.width)] } }
    var header = header
    let shape = shape
    header.storage = name.format
    header.dtype = idType.rawValue
    header.shape = shape
    header.byteCount = spill.byteCount
    header.sizes = rows(sizes)
    header.paddedSizes = rows(paddedSizes)
    header.labels = classes.isEmpty ? nil : labels.map { TokenHeader.Label(value: Int($0)) }
    if !isUniform {
      header.offsets = offsets
      header.grids = rows(grids)
    }
    let data = try AtomicFile(path: name.data)
    if name.format == .npy {
      try data.append(NpyHeader(type: idType, shape: shape).encoded())
    }
    try spill.read({ bytes throws(FileError) in try data.append(bytes) }, failing: { $0 })
    let pair = FlatPair(of: name)
    let sidecar = try AtomicFile(path: pair.sidecar)
    try sidecar.append(header.encoded())
    // Both must be on the disk before either takes its place.
    try data.sync()
    try sidecar.sync()
    try pair.replace(name.data, with: sidecar) { () throws(FileError) in
      try MegatronIndex.puttingAside(of: name) { () throws(FileError) in try data.finish() }
    }
    if hasIndex {
      let lengths = grids.map { Int($0.height) * Int($0.width) * identity.depth }
      try MegatronIndex(type: idType, lengths: lengths).write(to: name.index)
    }
  }
}

// MARK: - Ids with a sidecar

/// The ids and the JSON file that describes them, replaced together: at no moment does a JSON file lie
/// beside ids that it does not describe, and at every moment the old pair or the new one can be read.
///
/// The old description is put aside (`NAME.npy.json.old`), the ids take their place, then the new
/// description, which until then is complete under its partial name (`NAME.npy.json.partial`). Between
/// these steps a reader finds which of the two is of the ids that are there. A description under the name
/// that earlier versions gave it is read as well, and makes way for a new one.
struct FlatPair {
  /// Where the description lies.
  let sidecar: String
  /// Of what it is; nil where only the description is named.
  private let name: PieceName?

  /// The pair of a file with flat ids.
  ///
  /// - Precondition: the format has a JSON file beside it.
  init(of name: PieceName) {
    guard let sidecar = name.sidecar else { preconditionFailure("\(name.data) is one file") }
    self.sidecar = sidecar
    self.name = name
  }

  /// The pair that a description names.
  init(sidecar: String) {
    self.sidecar = sidecar
    name = nil
  }

  /// Where an old description is while the ids are being replaced.
  private var aside: String { sidecar + ".old" }

  /// Where a description may be, the usual place first.
  var places: [String] {
    ([sidecar] + (name?.earlierSidecar.map { [$0] } ?? [])).flatMap {
      [$0, $0 + ".partial", $0 + ".old"]
    }.filter(PieceName.exists)
  }

  /// Puts both in their places; both are on the disk already.
  ///
  /// - `place`: puts the ids in theirs.
  func replace(
    _ data: String, with description: AtomicFile, placing place: () throws(FileError) -> Void
  ) throws(TokenFileError) {
    let calls = SystemCalls.current
    let old = PieceName.exists(sidecar) ? sidecar : name?.earlierDescription
    if let old, calls.rename(old, aside) != 0 {
      throw .file(FileError(.write, old, .system(errno)))
    }
    var doubt: FileError?
    do { try place() } catch {
      guard error.isInPlace else {
        if let old { _ = calls.rename(aside, old) }
        throw .file(error)
      }
      doubt = error
    }
    do { try description.finish(keepingPartial: true) } catch {
      guard description.isInPlace else {
        unlink(aside)
        throw .halfReplaced(
          path: data, sidecar: sidecar, partial: description.partial, reason: error.inWords)
      }
      doubt = doubt ?? error
    }
    unlink(aside)
    if let doubt { throw .file(doubt) }
  }

  /// Gives a pair whose replacement was interrupted its usual names again.
  static func settle(_ name: PieceName) {
    guard let sidecar = name.sidecar, PieceName.exists(name.data) else { return }
    let pair = FlatPair(of: name)
    if PieceName.exists(sidecar) {
      unlink(pair.aside)
    } else if let found = try? RawTokenPiece(path: name.data, assuming: nil).sidecar,
      found != name.earlierSidecar
    {
      if SystemCalls.current.rename(found, sidecar) == 0 { unlink(pair.aside) }
    }
  }
}
