import Files

#if _endian(big)
  #error("safetensors files are little-endian, and this code takes them as they are")
#endif

/// A safetensors file, checked against every rule of the format.
///
/// Opening reads the header only, and tensors are copied out of the file when they are asked for: of
/// the file that was opened, also when a new one has been renamed over it meanwhile. Where the file is
/// cut short meanwhile, reading is an error.
public struct SafetensorsFile: Sendable {
  /// The file, as its user named it.
  public let path: String
  /// The tensors, in the order of their bytes.
  public let entries: [TensorEntry]
  /// The free texts under `__metadata__`.
  public let metadata: [String: String]

  private let file: ReadableFile
  private let dataStart: Int
  private let indices: [String: Int]

  /// Opens and checks a file.
  ///
  /// Refused: a header that is cut short, over 100 MB or not strictly as specified; keys that appear
  /// twice; unknown types; sizes that overflow or differ from shape times type; bytes that belong to no
  /// tensor or to two; and a file of another length than its header says.
  public init(path: String) throws(SafetensorsError) {
    let file: ReadableFile
    do { file = try ReadableFile(path: path) } catch { throw .file(error) }
    let count = file.byteCount

    guard count >= Header.lengthSize else {
      throw .cutShort(path: path, expected: Header.lengthSize, found: count)
    }
    let length: UInt64
    do {
      length = try file.bytes(0..<Header.lengthSize).withUnsafeBytes {
        UInt64(littleEndian: $0.loadUnaligned(as: UInt64.self))
      }
    } catch { throw .file(error) }
    guard length >= 2, length <= UInt64(Header.maximumSize) else {
      throw .malformed(
        path: path,
        reason: "its header claims \(length) bytes, expected 2 to \(Header.maximumSize)",
        position: 0)
    }
    let start = Header.lengthSize + Int(length)
    guard count >= start else {
      throw .cutShort(path: path, expected: start, found: count)
    }
    let bytes: [UInt8]
    do { bytes = try file.bytes(Header.lengthSize..<start) } catch { throw .file(error) }
    let header = try Self.parse(bytes, path)
    let (end, overflow) = start.addingReportingOverflow(header.dataSize)
    guard !overflow, count >= end else {
      throw .cutShort(path: path, expected: overflow ? Int.max : end, found: count)
    }
    guard count == end else {
      throw .tooLong(path: path, expected: end, found: count)
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

  /// Lends a copy of the bytes of one tensor: little-endian, row-major.
  public func withBytes<R>(
    of name: String, _ body: (UnsafeRawBufferPointer) throws -> R
  ) throws -> R {
    try bytes(of: try entry(name)).withUnsafeBytes(body)
  }

  /// Lends a copy of the bytes of one tensor of this file, for bodies that throw nothing.
  public func withBytes<R>(
    of entry: TensorEntry, _ body: (UnsafeRawBufferPointer) -> R
  ) throws(SafetensorsError) -> R {
    let bytes = try bytes(of: entry)
    return bytes.withUnsafeBytes(body)
  }

  /// Copies some bytes of one tensor, counted from its first one, into memory of the caller.
  public func read(
    _ entry: TensorEntry, from offset: Int, into target: UnsafeMutableRawBufferPointer
  ) throws(SafetensorsError) {
    precondition(
      offset >= 0 && target.count <= entry.range.count - offset, "the bytes are the tensor's")
    do { try file.read(into: target, at: dataStart + entry.range.lowerBound + offset) } catch {
      throw .file(error)
    }
  }

  /// Gives the descriptor back until the next read; see `ReadableFile`.
  public func release() { file.release() }

  private func bytes(of entry: TensorEntry) throws(SafetensorsError) -> [UInt8] {
    let start = dataStart + entry.range.lowerBound
    do { return try file.bytes(start..<start + entry.range.count) } catch { throw .file(error) }
  }

  private static func parse(_ bytes: [UInt8], _ path: String) throws(SafetensorsError) -> Header {
    let result = bytes.withUnsafeBytes { bytes in
      Result { () throws(HeaderFault) in try Header(parsing: bytes) }
    }
    do { return try result.get() } catch {
      throw .malformed(
        path: path, reason: error.reason, position: error.position.map { Header.lengthSize + $0 })
    }
  }
}
