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
  public private(set) var metadata: [String: String]

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

  /// The same file without its free texts, which may be large: for whoever has read them.
  public var withoutMetadata: SafetensorsFile {
    var file = self
    file.metadata = [:]
    return file
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

// MARK: - Tensors as floats

extension SafetensorsFile {
  /// Lends the numbers of one floating-point tensor as `Float`.
  ///
  /// Errors: those of `floats`.
  public func withFloats<R>(
    _ name: String, shape: [Int]? = nil, _ body: (UnsafeBufferPointer<Float>) -> R
  ) throws(SafetensorsError) -> R {
    try floats(name, shape: shape).withUnsafeBufferPointer { body($0) }
  }

  /// The numbers of one floating-point tensor, row-major, as `Float`.
  ///
  /// F16 and BF16 widen exactly; F64 rounds to the nearest `Float`. Infinities and NaN stay what they
  /// are. With `shape`, the tensor must have exactly that shape.
  ///
  /// Errors: no such tensor, another shape, a type that is not floating-point, a finite F64 beyond the
  /// range of `Float`.
  public func floats(_ name: String, shape: [Int]? = nil) throws(SafetensorsError) -> [Float] {
    let entry = try entry(name)
    if let shape, shape != entry.shape {
      throw .shape(path: path, name: name, expected: shape, found: entry.shape)
    }
    let count = entry.elementCount
    switch entry.type {
    case .f32:
      var failure: SafetensorsError?
      let floats = [Float](unsafeUninitializedCapacity: count) { floats, initialized in
        do throws(SafetensorsError) {
          let numbers = UnsafeMutableBufferPointer(rebasing: floats[..<count])
          try read(entry, from: 0, into: UnsafeMutableRawBufferPointer(numbers))
          initialized = count
        } catch {
          failure = error
        }
      }
      if let failure { throw failure }
      return floats
    case .f16, .bf16:
      return try withBytes(of: entry) { entry.type.floats($0) ?? [] }
    case .f64:
      var beyond: (index: Int, value: Double)?
      let floats = try withBytes(of: entry) { bytes in
        (0..<count).map {
          let value = bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self)
          let float = Float(value)
          if float.isInfinite, value.isFinite, beyond == nil { beyond = ($0, value) }
          return float
        }
      }
      if let beyond {
        throw .outOfRange(path: path, name: name, index: beyond.index, value: beyond.value)
      }
      return floats
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool:
      throw .type(
        path: path, name: name, expected: "floating-point numbers (F32, F64, F16 or BF16)",
        found: entry.type)
    }
  }
}

extension ElementType {
  /// Whether its numbers have a fraction.
  public var isFloat: Bool {
    switch self {
    case .f64, .f32, .f16, .bf16: true
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: false
    }
  }

  /// Numbers of this type, which lie one after the other, as `Float`; nil where it is not a
  /// floating-point type.
  ///
  /// F16 and BF16 widen exactly; F64 rounds to the nearest `Float`.
  public func floats(_ bytes: UnsafeRawBufferPointer) -> [Float]? {
    let count = bytes.count / byteCount
    switch self {
    case .f32:
      return [Float](unsafeUninitializedCapacity: count) { floats, initialized in
        UnsafeMutableRawBufferPointer(floats).copyMemory(
          from: UnsafeRawBufferPointer(rebasing: bytes[..<(count * 4)]))
        initialized = count
      }
    case .f16:
      return (0..<count).map {
        widen(half: bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self))
      }
    case .bf16:
      return (0..<count).map {
        let half = bytes.loadUnaligned(fromByteOffset: $0 * 2, as: UInt16.self)
        return Float(bitPattern: UInt32(half) << 16)
      }
    case .f64:
      return (0..<count).map {
        Float(bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self))
      }
    case .i64, .i32, .i16, .i8, .u64, .u32, .u16, .u8, .bool: return nil
    }
  }
}

/// IEEE 754 binary16 to binary32, by bits: not every platform of Swift has `Float16`.
private func widen(half: UInt16) -> Float {
  let sign = UInt32(half & 0x8000) << 16
  let exponent = UInt32(half >> 10 & 0x1F)
  let fraction = UInt32(half & 0x3FF)
  switch exponent {
  case 0:
    // Zero and subnormal: fraction * 2^-24, exact in binary32.
    let magnitude = Float(fraction) * 0x1p-24
    return Float(bitPattern: sign | magnitude.bitPattern)
  case 31:
    return Float(bitPattern: sign | 0x7F80_0000 | fraction << 13)
  default:
    return Float(bitPattern: sign | (exponent + 112) << 23 | fraction << 13)
  }
}

/// The name with the fewest edits to `name`, if at most a third of it would have to change.
func nearestName(to name: String, among names: [String]) -> String? {
  let wanted = Array(name)
  let ranked = names.map { (name: $0, distance: editDistance(wanted, Array($0))) }
  guard let best = ranked.min(by: { $0.distance < $1.distance }),
    best.distance <= max(2, wanted.count / 3)
  else { return nil }
  return best.name
}

// MARK: - Tensors

/// A tensor to be written: what the header says of it, before any byte is known.
public struct TensorDeclaration: Equatable, Sendable {
  /// The key in the file, unique within it.
  public let name: String
  /// The format of the numbers.
  public let type: ElementType
  /// The extents, outermost first; empty for a scalar.
  public let shape: [Int]

  /// Declares a tensor; the writer checks it against the others.
  public init(name: String, type: ElementType, shape: [Int]) {
    self.name = name
    self.type = type
    self.shape = shape
  }

  /// The bytes it takes, or nil where an extent is negative or the product overflows.
  public var byteCount: Int? {
    var total = type.byteCount
    for extent in shape {
      let (product, overflow) = total.multipliedReportingOverflow(by: extent)
      if extent < 0 || overflow { return nil }
      total = product
    }
    return total
  }
}

/// A tensor in a file: its name, type and shape, and where its bytes lie.
public struct TensorEntry: Equatable, Sendable {
  /// The key in the file.
  public let name: String
  /// The format of the numbers, little-endian in the file.
  public let type: ElementType
  /// The extents, outermost first (row-major); empty for a scalar.
  public let shape: [Int]
  /// Where the bytes lie, counted from the start of the data section.
  public let range: Range<Int>

  /// The product of the extents; 1 for a scalar.
  public var elementCount: Int { range.count / type.byteCount }
}

/// The number formats a safetensors file can hold, by the names the format gives them.
public enum ElementType: String, CaseIterable, Sendable {
  case f64 = "F64"
  case f32 = "F32"
  case f16 = "F16"
  case bf16 = "BF16"
  case i64 = "I64"
  case i32 = "I32"
  case i16 = "I16"
  case i8 = "I8"
  case u64 = "U64"
  case u32 = "U32"
  case u16 = "U16"
  case u8 = "U8"
  case bool = "BOOL"

  /// Bytes of one element.
  public var byteCount: Int {
    switch self {
    case .f64, .i64, .u64: 8
    case .f32, .i32, .u32: 4
    case .f16, .bf16, .i16, .u16: 2
    case .i8, .u8, .bool: 1
    }
  }
}

// MARK: - Errors

/// Errors in a safetensors file, or in a request to it.
public enum SafetensorsError: Error, Equatable, Sendable, CustomStringConvertible {
  /// The file cannot be read or written at all.
  case file(FileError)
  /// The file ends before its own header says it does.
  case cutShort(path: String, expected: Int, found: Int)
  /// The file continues after the last tensor.
  case tooLong(path: String, expected: Int, found: Int)
  /// The header breaks a rule of the format; `position` counts bytes from the start of the file.
  case malformed(path: String, reason: String, position: Int?)
  /// No tensor of that name; `nearest` is the most similar name there is.
  case noSuchTensor(path: String, name: String, nearest: String?, count: Int)
  /// The tensor has another shape than asked for.
  case shape(path: String, name: String, expected: [Int], found: [Int])
  /// The tensor's numbers cannot become what was asked for.
  case type(path: String, name: String, expected: String, found: ElementType)
  /// A number does not fit into a `Float`.
  case outOfRange(path: String, name: String, index: Int, value: Double)
  /// The tensors to write are invalid: names, shapes or sizes that do not match.
  case declaration(path: String, reason: String)

  /// The file, what was expected, what was found, the way out.
  public var description: String {
    switch self {
    case .file(let error):
      return error.description
    case .cutShort(let path, let expected, let found):
      return "\(path) ends after \(found) of \(expected) bytes: it was cut short. "
        + "Copy or download it again, or go back to an earlier one."
    case .tooLong(let path, let expected, let found):
      return "\(path) has \(found) bytes where its header accounts for \(expected): it was "
        + "damaged or something was appended. Copy or download it again."
    case .malformed(let path, let reason, let position):
      let place = position.map { " (at byte \($0))" } ?? ""
      return "\(path) is not a valid safetensors file: \(reason)\(place). "
        + "Copy or download it again, or write it anew with a safetensors library."
    case .noSuchTensor(let path, let name, let nearest, let count):
      let hint =
        nearest.map { "did you mean \"\($0)\"?" }
        ?? "none of its \(count) tensors has a similar name."
      return "\(path) has no tensor \"\(name)\": \(hint)"
    case .shape(let path, let name, let expected, let found):
      return "\(path): tensor \"\(name)\" has shape \(found), expected \(expected). "
        + "The file belongs to a model with another configuration."
    case .type(let path, let name, let expected, let found):
      return "\(path): tensor \"\(name)\" is \(found.rawValue), expected \(expected). "
        + "Convert it, or name another tensor."
    case .outOfRange(let path, let name, let index, let value):
      return "\(path): element \(index) of tensor \"\(name)\" is \(value), more than a 32-bit "
        + "float can hold. Rescale it before it is saved."
    case .declaration(let path, let reason):
      return "cannot write \(path): \(reason)."
    }
  }
}
