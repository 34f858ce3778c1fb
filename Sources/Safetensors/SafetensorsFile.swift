#if _endian(big)
  #error("safetensors files are little-endian, and this code maps them as they are")
#endif

/// A safetensors file, mapped into memory and checked against every rule of the format.
///
/// Opening reads the header only. The bytes stay valid while a copy of this value lives, also when a
/// new file has been renamed over the old one meanwhile.
public struct SafetensorsFile: Sendable {
  /// The file, as its user named it.
  public let path: String
  /// The tensors, in the order of their bytes.
  public let entries: [TensorEntry]
  /// The free texts under `__metadata__`.
  public let metadata: [String: String]

  private let file: MappedFile
  private let dataStart: Int
  private let indices: [String: Int]

  /// Opens and checks a file.
  ///
  /// Refused: a header that is cut short, over 100 MB or not strictly as specified; keys that appear
  /// twice; unknown types; sizes that overflow or differ from shape times type; bytes that belong to no
  /// tensor or to two; and a file of another length than its header says.
  public init(path: String) throws(SafetensorsError) {
    let file: MappedFile
    do { file = try MappedFile(path: path) } catch { throw .file(error) }
    let bytes = file.bytes

    guard bytes.count >= Header.lengthSize else {
      throw .cutShort(path: path, expected: Header.lengthSize, found: bytes.count)
    }
    let length = UInt64(littleEndian: bytes.loadUnaligned(as: UInt64.self))
    guard length >= 2, length <= UInt64(Header.maximumSize) else {
      throw .malformed(
        path: path,
        reason: "its header claims \(length) bytes, expected 2 to \(Header.maximumSize)",
        position: 0)
    }
    let start = Header.lengthSize + Int(length)
    guard bytes.count >= start else {
      throw .cutShort(path: path, expected: start, found: bytes.count)
    }
    let header: Header
    do {
      header = try Header(
        parsing: UnsafeRawBufferPointer(rebasing: bytes[Header.lengthSize..<start]))
    } catch {
      throw .malformed(
        path: path, reason: error.reason, position: error.position.map { Header.lengthSize + $0 })
    }
    let (end, overflow) = start.addingReportingOverflow(header.dataSize)
    guard !overflow, bytes.count >= end else {
      throw .cutShort(path: path, expected: overflow ? Int.max : end, found: bytes.count)
    }
    guard bytes.count == end else {
      throw .tooLong(path: path, expected: end, found: bytes.count)
    }

    self.path = path
    self.file = file
    dataStart = start
    entries = header.entries
    metadata = header.metadata
    indices = Dictionary(
      uniqueKeysWithValues: header.entries.enumerated().map { ($1.name, $0) })
  }

  /// What the header says of one tensor; an unknown name is answered with the nearest known one.
  public func entry(_ name: String) throws(SafetensorsError) -> TensorEntry {
    guard let index = indices[name] else {
      throw .noSuchTensor(
        path: path, name: name, nearest: nearestName(to: name, among: entries.map(\.name)),
        count: entries.count)
    }
    return entries[index]
  }

  /// True when there is a tensor of this name.
  public func contains(_ name: String) -> Bool { indices[name] != nil }

  /// Lends the bytes of one tensor: little-endian, row-major, perhaps not aligned to the element.
  public func withBytes<R>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> R
  ) throws -> R {
    try body(bytes(of: try entry(name)))
  }

  /// Lends the bytes of one tensor of this file, for bodies that throw nothing.
  public func withBytes<R>(of entry: TensorEntry, _ body: (UnsafeRawBufferPointer) -> R) -> R {
    body(bytes(of: entry))
  }

  private func bytes(of entry: TensorEntry) -> UnsafeRawBufferPointer {
    let range = entry.range
    return UnsafeRawBufferPointer(
      rebasing: file.bytes[dataStart + range.lowerBound..<dataStart + range.upperBound])
  }
}
