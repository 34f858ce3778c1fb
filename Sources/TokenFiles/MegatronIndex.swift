import Files
import Safetensors

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The index `NAME.idx` with which Megatron-LM reads flat ids, `NAME.bin`, as one sequence an image.
///
/// Little-endian: `MMIDIDX`, two zero bytes; the version 1 (u64); the type of the ids (u8: 1 for U8, 8 for
/// U16, 4 for I32); the number of sequences N (u64) and of document bounds N + 1 (u64); the length of each
/// sequence in ids (i32); where it begins, in bytes (i64); the bounds 0, 1, ... N (i64), as each image is
/// a document of its own.
///
/// At no moment does an index lie beside ids that it is not of: the old one goes before they are replaced,
/// and the new one comes after them and their description. Where it did not come, resuming writes it.
struct MegatronIndex {
  private let type: ElementType
  private let lengths: [Int]

  private static let magic: [UInt8] = Array("MMIDIDX".utf8) + [0, 0]

  /// The index of sequences of these lengths, one behind the other.
  ///
  /// - Precondition: U8, U16 or I32.
  init(type: ElementType, lengths: [Int]) {
    precondition([.u8, .u16, .i32].contains(type), "\(type) has no code")
    self.type = type
    self.lengths = lengths
  }

  /// The bytes.
  func encoded() -> [UInt8] {
    var bytes = Self.magic
    bytes.reserveCapacity(bytes.count + 40 + lengths.count * 20)
    func add<T: FixedWidthInteger>(_ value: T) {
      withUnsafeBytes(of: value.littleEndian) { bytes.append(contentsOf: $0) }
    }
    add(1 as UInt64)
    add((type == .u8 ? 1 : type == .u16 ? 8 : 4) as UInt8)
    add(UInt64(lengths.count))
    add(UInt64(lengths.count + 1))
    for length in lengths { add(Int32(length)) }
    var start = 0 as Int64
    for length in lengths {
      add(start)
      start += Int64(length * type.byteCount)
    }
    for bound in 0...lengths.count { add(Int64(bound)) }
    return bytes
  }

  /// Writes it whole or not at all.
  func write(to path: String) throws(FileError) { try AtomicFile.write(encoded(), to: path) }

  /// The index beside flat ids; nil where there is none, or another file of that name.
  static func found(beside name: PieceName) -> String? {
    guard name.format == .bin, PieceName.exists(name.index),
      let file = try? ReadableFile(path: name.index), file.byteCount >= magic.count,
      (try? file.bytes(0..<magic.count)) == magic
    else { return nil }
    return name.index
  }

  /// Replaces flat ids; the index of the old ones goes, unless they stay.
  static func puttingAside(
    of name: PieceName, _ replace: () throws(FileError) -> Void
  ) throws(FileError) {
    guard let index = found(beside: name) else { return try replace() }
    let aside = index + ".old"
    guard SystemCalls.current.rename(index, aside) == 0 else {
      throw FileError(.write, index, .system(errno))
    }
    do { try replace() } catch {
      if error.isInPlace { unlink(aside) } else { _ = SystemCalls.current.rename(aside, index) }
      throw error
    }
    unlink(aside)
  }

  /// Refuses to replace other files, and completes shards that are there by their indices.
  static func checkRoom(
    _ name: PieceName, _ shards: [(name: PieceName, piece: TokenPiece)]
  ) throws(TokenFileError) {
    for place in [name, name.numbered(1)] where PieceName.exists(place.index) {
      guard found(beside: place) == nil else { continue }
      throw .output(
        path: place.data,
        reason: "\(place.index) would be replaced, and it belongs to something else. "
          + "Choose another name")
    }
    for shard in shards where !PieceName.exists(shard.name.index) {
      do {
        try MegatronIndex(type: shard.piece.idType, lengths: shard.piece.lengths)
          .write(to: shard.name.index)
      } catch { throw .file(error) }
    }
  }
}
