import Files

/// Writes a safetensors file piece by piece, atomically, in bounded memory.
///
/// All tensors are declared first, since the header stands in front. Then their bytes are appended
/// in the order of `entries`, in pieces of any size. Nothing appears at `path` before `finish()`, and
/// what was there before stays whole until then; see `AtomicFile`.
///
/// The same tensors and metadata give the same bytes, in whatever order they were declared: the data
/// section holds wide elements before narrow ones (so that each tensor is aligned), then goes by name.
public final class SafetensorsWriter {
  /// The tensors, in the order in which their bytes are due.
  public let entries: [TensorEntry]

  private let file: AtomicFile
  private var next = 0
  private var written = 0
  private var refusal: SafetensorsError?

  /// Writes the header of a file at `path`; its folder must exist.
  ///
  /// Errors: names that repeat, shapes that are negative or overflow, a header over 100 MB.
  public init(
    path: String, tensors: [TensorDeclaration], metadata: [String: String] = [:]
  ) throws(SafetensorsError) {
    let header: Header
    do { header = try Header(laying: tensors, metadata: metadata) } catch {
      throw .declaration(path: path, reason: error.reason)
    }
    let bytes = header.encoded()
    guard bytes.count - Header.lengthSize <= Header.maximumSize else {
      throw .declaration(
        path: path,
        reason: "its header would take \(bytes.count) bytes, more than the "
          + "\(Header.maximumSize) that the format allows; write several files")
    }
    entries = header.entries
    do {
      file = try AtomicFile(path: path)
      try file.append(bytes)
    } catch { throw .file(error) }
  }

  /// Adds bytes (little-endian) to the tensor `name`, which must be the one that is due.
  public func append(
    _ bytes: UnsafeRawBufferPointer, to name: String
  ) throws(SafetensorsError) {
    if let refusal { throw refusal }
    skipFull()
    if bytes.isEmpty, entries.contains(where: { $0.name == name && $0.range.isEmpty }) { return }
    guard next < entries.count, entries[next].name == name else {
      let due = next < entries.count ? "\"\(entries[next].name)\" is due" : "all is written"
      throw refuse("bytes came for tensor \"\(name)\" while \(due)")
    }
    let size = entries[next].range.count
    guard bytes.count <= size - written else {
      throw refuse(
        "tensor \"\(name)\" takes \(size) bytes, and \(written + bytes.count) came")
    }
    do { try file.append(bytes) } catch { throw .file(error) }
    written += bytes.count
  }

  /// Adds numbers to the F32 tensor `name`, which must be the one that is due.
  public func append(_ floats: [Float], to name: String) throws(SafetensorsError) {
    if let refusal { throw refusal }
    skipFull()
    if next < entries.count, entries[next].name == name, entries[next].type != .f32 {
      throw refuse("floats came for tensor \"\(name)\" of type \(entries[next].type.rawValue)")
    }
    let result = floats.withUnsafeBytes { pointer in
      Result { () throws(SafetensorsError) in try append(pointer, to: name) }
    }
    try result.get()
  }

  /// Puts the file in its place; every tensor must be complete.
  public func finish() throws(SafetensorsError) {
    if let refusal { throw refusal }
    skipFull()
    if next < entries.count {
      let entry = entries[next]
      throw refuse(
        "tensor \"\(entry.name)\" is incomplete, \(written) of \(entry.range.count) bytes came")
    }
    do { try file.finish() } catch { throw .file(error) }
  }

  /// Gives up: nothing appears at the path, and the partial file is removed.
  public func cancel() { file.cancel() }

  /// Writes F32 tensors that are in memory already, atomically.
  public static func write(
    _ tensors: [(name: String, shape: [Int], values: [Float])], metadata: [String: String] = [:],
    to path: String
  ) throws(SafetensorsError) {
    let writer = try SafetensorsWriter(
      path: path,
      tensors: tensors.map { TensorDeclaration(name: $0.name, type: .f32, shape: $0.shape) },
      metadata: metadata)
    let values = Dictionary(uniqueKeysWithValues: tensors.map { ($0.name, $0.values) })
    for entry in writer.entries {
      try writer.append(values[entry.name] ?? [], to: entry.name)
    }
    try writer.finish()
  }

  /// Goes on to the next tensor that still wants bytes.
  private func skipFull() {
    while next < entries.count, written == entries[next].range.count {
      next += 1
      written = 0
    }
  }

  private func refuse(_ reason: String) -> SafetensorsError {
    cancel()
    let error = SafetensorsError.declaration(path: file.path, reason: reason)
    refusal = error
    return error
  }
}
