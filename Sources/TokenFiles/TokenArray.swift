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

/// The header of a numpy array file: magic, version, length, and a Python dictionary as text.
///
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html.
struct NpyHeader: Equatable {
  let type: ElementType
  let shape: [Int]

  private static let magic: [UInt8] = [0x93] + Array("NUMPY".utf8)

  init(type: ElementType, shape: [Int]) {
    self.type = type
    self.shape = shape
  }

  /// Version 1.0, C order, padded so that the data start at a multiple of 64.
  func encoded() -> [UInt8] {
    let kind =
      switch type {
      case .u8: "|u1"
      case .u16: "<u2"
      case .f32: "<f4"
      default: "<u4"
      }
    // Python writes a tuple of one with a comma behind it.
    let extents = shape.map(String.init).joined(separator: ", ") + (shape.count == 1 ? "," : "")
    var text = Array(
      "{'descr': '\(kind)', 'fortran_order': False, 'shape': (\(extents)), }".utf8)
    let unpadded = Self.magic.count + 4 + text.count + 1
    text.append(contentsOf: repeatElement(0x20, count: (64 - unpadded % 64) % 64))
    text.append(0x0A)
    return Self.magic + [1, 0, UInt8(text.count & 0xFF), UInt8(text.count >> 8)] + text
  }

  /// No array of few extents has a longer header; numpy itself refuses longer ones.
  private static let longest = 65_536

  /// Reads the header of a file; also says where the data start.
  ///
  /// - `latents`: whether its numbers are floats, as latents are, and not whole numbers.
  static func read(
    _ file: ReadableFile, latents: Bool = false
  ) throws(TokenFileError) -> (header: NpyHeader, dataStart: Int) {
    let bytes: [UInt8]
    do { bytes = try file.bytes(0..<min(file.byteCount, longest + 12)) } catch {
      throw .file(error)
    }
    return try bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenFileError) in
        try parse(bytes, path: file.path, latents: latents)
      }
    }.get()
  }

  /// Reads a header as numpy writes it; also says where the data start.
  static func parse(
    _ bytes: UnsafeRawBufferPointer, path: String, latents: Bool = false
  ) throws(TokenFileError) -> (header: NpyHeader, dataStart: Int) {
    guard bytes.count >= 12, bytes.prefix(magic.count).elementsEqual(magic) else {
      throw .notTokens(path: path, reason: "it does not begin as a numpy array does")
    }
    let wide = bytes[6] != 1
    guard (1...3).contains(bytes[6]) else {
      throw .notTokens(path: path, reason: "it is a numpy file of version \(bytes[6])")
    }
    let start = wide ? 12 : 10
    let length =
      wide
      ? Int(UInt32(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt32.self)))
      : Int(UInt16(littleEndian: bytes.loadUnaligned(fromByteOffset: 8, as: UInt16.self)))
    guard bytes.count >= start + length else {
      throw .layout(path: path, reason: "it ends inside its header; it was cut short")
    }
    let text = String(decoding: bytes[start..<start + length], as: UTF8.self)
    guard let descr = value(of: "descr", in: text)?.split(separator: "'").first,
      let order = value(of: "fortran_order", in: text),
      let tuple = value(of: "shape", in: text), tuple.first == "(",
      let end = tuple.firstIndex(of: ")")
    else {
      throw .notTokens(path: path, reason: "its numpy header cannot be understood")
    }
    let types: [Substring: ElementType] = [
      "|u1": .u8, "<u1": .u8, "<u2": .u16, "<u4": .u32, "<u8": .u64,
      "|i1": .i8, "<i1": .i8, "<i2": .i16, "<i4": .i32, "<i8": .i64,
    ]
    if latents, descr != "<f4", descr != "<f2" {
      throw .notLatents(
        path: path,
        reason: "its numbers are '\(descr.prefix(20))', expected '<f4'. "
          + "Save them as latents.astype(\"<f4\")")
    }
    guard let type = latents ? (descr == "<f2" ? .f16 : .f32) : types[descr] else {
      throw .notTokens(
        path: path,
        reason: "its numbers are '\(descr.prefix(20))', expected little-endian integers. "
          + "Save them as ids.astype(\"<u4\")")
    }
    guard order.hasPrefix("False") else {
      throw .notTokens(
        path: path,
        reason: "it is in Fortran order, expected C order. Save numpy.ascontiguousarray(ids)")
    }
    let extents = tuple[tuple.index(after: tuple.startIndex)..<end].split(separator: ",")
      .map { $0.filter { $0 != " " } }.filter { !$0.isEmpty }
    let shape = extents.compactMap { Int($0) }
    guard shape.count == extents.count else {
      throw .notTokens(path: path, reason: "its numpy header cannot be understood")
    }
    return (NpyHeader(type: type, shape: shape), start + length)
  }

  /// The value after `'key':`.
  private static func value(of key: String, in text: String) -> Substring? {
    let mark = "'\(key)':"
    var rest = text[...]
    while !rest.isEmpty {
      if rest.hasPrefix(mark) { return rest.dropFirst(mark.count).drop { $0 == " " } }
      rest = rest.dropFirst()
    }
    return nil
  }
}
