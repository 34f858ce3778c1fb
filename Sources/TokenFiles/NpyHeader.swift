import Files
import Safetensors

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
    let kind = type == .u8 ? "|u1" : type == .u16 ? "<u2" : "<u4"
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
  static func read(
    _ file: ReadableFile
  ) throws(TokenFileError) -> (header: NpyHeader, dataStart: Int) {
    let bytes: [UInt8]
    do { bytes = try file.bytes(0..<min(file.byteCount, longest + 12)) } catch {
      throw .file(error)
    }
    return try bytes.withUnsafeBytes { bytes in
      Result { () throws(TokenFileError) in try parse(bytes, path: file.path) }
    }.get()
  }

  /// Reads a header as numpy writes it; also says where the data start.
  static func parse(
    _ bytes: UnsafeRawBufferPointer, path: String
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
    guard let type = types[descr] else {
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
