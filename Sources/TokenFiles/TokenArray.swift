import Files
import Safetensors

/// Where the ids of one shard lie: in a tensor, or behind the header of a flat file.
///
/// Ids are copied out when they are asked for. Any kind of whole numbers is read, since other programs
/// write theirs as they have them; what counts is that the values are ids.
struct TokenArray: Sendable {
  enum Source: Sendable {
    case tensor(SafetensorsFile, TensorEntry)
    case flat(ReadableFile, start: Int)
  }

  /// The kinds of whole numbers that ids may be.
  static let types: Set<ElementType> = [.u8, .u16, .u32, .u64, .i8, .i16, .i32, .i64]

  let source: Source
  let type: ElementType
  /// `[N, h, w]` or `[T]`, with the depth behind where it is more than 1.
  var shape: [Int]

  private static let blockSize = 1 << 20

  var count: Int { shape.reduce(1, *) }

  /// A copy of some ids.
  ///
  /// Errors: a file that was cut or changed since it was checked.
  func ids(_ range: Range<Int>, below limit: Int) throws(FileError) -> [UInt32] {
    let size = type.byteCount
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count * size) { target, initialized in
      do throws(FileError) {
        let target = UnsafeMutableRawBufferPointer(
          rebasing: UnsafeMutableRawBufferPointer(target)[..<(range.count * size)])
        try read(into: target, at: range.lowerBound * size)
        initialized = range.count * size
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return try bytes.withUnsafeBytes { bytes in
      Result { () throws(FileError) in
        if Self.firstOutside(limit, in: bytes, of: type) != nil {
          throw FileError(.read, path, .replaced)
        }
        return Self.words(bytes, of: type)
      }
    }.get()
  }

  /// Goes through all ids once, for what `body` makes of their bytes.
  ///
  /// Returns: the position of the first that is not within `0 ..< limit`, and the id.
  func scan(
    below limit: Int, _ body: (UnsafeRawBufferPointer) -> Void
  ) throws(FileError) -> (position: Int, id: Int)? {
    let size = type.byteCount
    let total = count * size
    var block = [UInt8](repeating: 0, count: min(Self.blockSize, total))
    var found: (position: Int, id: Int)?
    var offset = 0
    while offset < total {
      let length = min(block.count, total - offset)
      try block.withUnsafeMutableBytes { block in
        Result { () throws(FileError) in
          let target = UnsafeMutableRawBufferPointer(rebasing: block[..<length])
          try read(into: target, at: offset)
          let bytes = UnsafeRawBufferPointer(target)
          body(bytes)
          if found == nil, let first = Self.firstOutside(limit, in: bytes, of: type) {
            found = (offset / size + first.position, first.id)
          }
        }
      }.get()
      offset += length
    }
    return found
  }

  /// Gives the file's descriptor back until it is read again.
  func release() {
    switch source {
    case .tensor(let file, _): file.release()
    case .flat(let file, _): file.release()
    }
  }

  private var path: String {
    switch source {
    case .tensor(let file, _): file.path
    case .flat(let file, _): file.path
    }
  }

  private func read(
    into target: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(FileError) {
    switch source {
    case .flat(let file, let start): try file.read(into: target, at: start + offset)
    case .tensor(let file, let entry):
      do { try file.read(entry, from: offset, into: target) } catch {
        guard case .file(let error) = error else { preconditionFailure("reading is of the file") }
        throw error
      }
    }
  }

  private static func words(_ bytes: UnsafeRawBufferPointer, of type: ElementType) -> [UInt32] {
    func words<T: FixedWidthInteger>(_: T.Type) -> [UInt32] {
      let size = MemoryLayout<T>.size
      return (0..<bytes.count / size).map {
        UInt32(truncatingIfNeeded: bytes.loadUnaligned(fromByteOffset: $0 * size, as: T.self))
      }
    }
    switch type {
    case .u8: return words(UInt8.self)
    case .u16: return words(UInt16.self)
    case .i8: return words(Int8.self)
    case .i16: return words(Int16.self)
    case .i32: return words(Int32.self)
    case .i64: return words(Int64.self)
    case .u64: return words(UInt64.self)
    default: return words(UInt32.self)
    }
  }

  private static func firstOutside(
    _ limit: Int, in bytes: UnsafeRawBufferPointer, of type: ElementType
  ) -> (position: Int, id: Int)? {
    func search<T: FixedWidthInteger>(_: T.Type) -> (position: Int, id: Int)? {
      // Every value of the type may be an id: nothing to look for.
      if !T.isSigned, limit > Int(clamping: T.max) { return nil }
      let bound = T(clamping: limit)
      let size = MemoryLayout<T>.size
      for position in 0..<bytes.count / size {
        let id = bytes.loadUnaligned(fromByteOffset: position * size, as: T.self)
        if id < 0 || id >= bound, id < 0 || Int(clamping: id) >= limit {
          return (position, Int(clamping: id))
        }
      }
      return nil
    }
    switch type {
    case .u8: return search(UInt8.self)
    case .u16: return search(UInt16.self)
    case .i8: return search(Int8.self)
    case .i16: return search(Int16.self)
    case .i32: return search(Int32.self)
    case .i64: return search(Int64.self)
    case .u64: return search(UInt64.self)
    default: return search(UInt32.self)
    }
  }
}
