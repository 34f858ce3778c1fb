import Files

/// The header of a safetensors file: eight bytes of length, then JSON, then the data section.
///
/// Format: https://huggingface.co/docs/safetensors. All rules are checked in both directions.
struct Header {
  /// The length field in front of the JSON.
  static let lengthSize = 8
  /// No header may be longer; the format's own limit.
  static let maximumSize = 100_000_000

  /// By offset.
  var entries: [TensorEntry]
  var metadata: [String: String]

  /// Bytes in the data section.
  var dataSize: Int { entries.last?.range.upperBound ?? 0 }

  /// Parses the JSON part.
  init(parsing bytes: UnsafeRawBufferPointer) throws(HeaderFault) {
    var scanner = HeaderScanner(bytes)
    guard bytes.first == UInt8(ascii: "{") else {
      throw scanner.fault("the header must begin with '{'")
    }
    var entries: [TensorEntry] = []
    var metadata: [String: String] = [:]
    try scanner.object { (scanner, name, place) throws(HeaderFault) in
      if name == "__metadata__" {
        try scanner.object { (scanner, key, _) throws(HeaderFault) in
          metadata[key] = try scanner.string()
        }
      } else {
        entries.append(try Self.entry(name, at: place, in: &scanner))
      }
    }
    if scanner.peek() != nil { throw scanner.fault("something follows the header's object") }

    // Empty tensors share their offset with the next one.
    entries.sort {
      ($0.range.lowerBound, $0.range.upperBound) < ($1.range.lowerBound, $1.range.upperBound)
    }
    var end = 0
    for entry in entries {
      guard entry.range.lowerBound == end else {
        let how = entry.range.lowerBound > end ? "leaves a gap" : "overlaps another tensor"
        throw HeaderFault(
          reason: "tensor \"\(entry.name)\" starts at offset \(entry.range.lowerBound) and \(how); "
            + "expected \(end)", position: nil)
      }
      end = entry.range.upperBound
    }
    self.entries = entries
    self.metadata = metadata
  }

  private static func entry(
    _ name: String, at place: Int, in scanner: inout HeaderScanner
  ) throws(HeaderFault) -> TensorEntry {
    var type: ElementType?
    var shape: [Int]?
    var offsets: [Int]?
    try scanner.object { (scanner, key, place) throws(HeaderFault) in
      switch key {
      case "dtype":
        let text = try scanner.string()
        type = ElementType(rawValue: text)
        if type == nil {
          let known = ElementType.allCases.map(\.rawValue).joined(separator: ", ")
          throw scanner.fault(
            "tensor \"\(name)\" has the unknown type \"\(text)\", expected one of \(known)")
        }
      case "shape": shape = try scanner.integers()
      case "data_offsets": offsets = try scanner.integers()
      default:
        throw scanner.fault("tensor \"\(name)\" has the unknown key \"\(key)\"", at: place)
      }
    }
    guard let type, let shape, let offsets else {
      let missing = type == nil ? "dtype" : shape == nil ? "shape" : "data_offsets"
      throw scanner.fault("tensor \"\(name)\" has no \(missing)", at: place)
    }
    guard offsets.count == 2, offsets[0] <= offsets[1] else {
      throw scanner.fault(
        "tensor \"\(name)\" needs two rising data_offsets, found \(offsets)", at: place)
    }
    let declared = TensorDeclaration(name: name, type: type, shape: shape).byteCount
    guard let declared else {
      throw scanner.fault("the shape \(shape) of tensor \"\(name)\" is too large", at: place)
    }
    guard declared == offsets[1] - offsets[0] else {
      throw scanner.fault(
        "tensor \"\(name)\", \(type.rawValue) \(shape), takes \(declared) bytes, "
          + "but its data_offsets span \(offsets[1] - offsets[0])", at: place)
    }
    return TensorEntry(name: name, type: type, shape: shape, range: offsets[0]..<offsets[1])
  }
}

extension Header {
  /// Lays tensors out: widest elements first, then by name, so that each is aligned to its element.
  ///
  /// The layout depends on the tensors only, never on the order in which they were declared.
  init(laying tensors: [TensorDeclaration], metadata: [String: String]) throws(HeaderFault) {
    let ordered = tensors.sorted {
      let (left, right) = ($0.type.byteCount, $1.type.byteCount)
      return left != right ? left > right : Self.precedes($0.name, $1.name)
    }
    var names = Set<String>()
    var end = 0
    entries = []
    self.metadata = metadata
    for tensor in ordered {
      guard tensor.name != "__metadata__", names.insert(tensor.name).inserted else {
        throw HeaderFault(reason: "the tensor name \"\(tensor.name)\" is taken", position: nil)
      }
      guard let count = tensor.byteCount,
        case let (sum, overflow) = end.addingReportingOverflow(count),
        !overflow
      else {
        throw HeaderFault(
          reason: "the shape \(tensor.shape) of tensor \"\(tensor.name)\" is negative or too large",
          position: nil)
      }
      entries.append(
        TensorEntry(
          name: tensor.name, type: tensor.type, shape: tensor.shape, range: end..<sum))
      end = sum
    }
  }

  /// Length field and JSON, padded with spaces so that the data section starts at a multiple of 8.
  func encoded() -> [UInt8] {
    // In one piece: of many names the texts are large.
    var bytes = [UInt8](repeating: 0, count: Self.lengthSize)
    var isFirst = true
    func put(_ text: String) { bytes.append(contentsOf: text.utf8) }
    func separate() {
      if !isFirst { put(",") }
      isFirst = false
    }
    put("{")
    if !metadata.isEmpty {
      separate()
      put("\"__metadata__\":{")
      for (index, key) in metadata.keys.sorted(by: Self.precedes).enumerated() {
        if index > 0 { put(",") }
        put(JSONValue.string(key).compactText + ":")
        put(JSONValue.string(metadata[key] ?? "").compactText)
      }
      put("}")
    }
    for entry in entries.sorted(by: { Self.precedes($0.name, $1.name) }) {
      separate()
      let shape = entry.shape.map(String.init).joined(separator: ",")
      put(
        JSONValue.string(entry.name).compactText
          + ":{\"dtype\":\"\(entry.type.rawValue)\",\"shape\":[\(shape)],"
          + "\"data_offsets\":[\(entry.range.lowerBound),\(entry.range.upperBound)]}")
    }
    put("}")
    bytes.append(contentsOf: repeatElement(0x20, count: (8 - bytes.count % 8) % 8))
    let length = UInt64(bytes.count - Self.lengthSize).littleEndian
    withUnsafeBytes(of: length) { bytes.replaceSubrange(..<Self.lengthSize, with: $0) }
    return bytes
  }

  /// By bytes: Swift's own order of strings takes differently composed letters for the same.
  static func precedes(_ left: String, _ right: String) -> Bool {
    left.utf8.lexicographicallyPrecedes(right.utf8)
  }
}

// MARK: - Scanning

/// A violated rule, with the byte of the header if known.
struct HeaderFault: Error {
  let reason: String
  let position: Int?
}

/// Reads the little of JSON that a safetensors header is made of: objects, strings, and whole numbers.
///
/// Stricter than a general parser on purpose: two keys of one name, a sign, a fraction or a number
/// with a leading zero are errors, because each means that two readers could see two files.
struct HeaderScanner {
  let bytes: UnsafeRawBufferPointer
  private(set) var position = 0

  init(_ bytes: UnsafeRawBufferPointer) {
    self.bytes = bytes
  }

  func fault(_ reason: String, at place: Int? = nil) -> HeaderFault {
    HeaderFault(reason: reason, position: place ?? position)
  }

  /// The next byte that is not white space, not taken.
  mutating func peek() -> UInt8? {
    while position < bytes.count {
      switch bytes[position] {
      case 0x20, 0x09, 0x0A, 0x0D: position += 1
      default: return bytes[position]
      }
    }
    return nil
  }

  mutating func expect(_ character: Unicode.Scalar) throws(HeaderFault) {
    guard peek() == UInt8(ascii: character) else {
      let found = peek() == nil ? "the end of the header" : "something else"
      throw fault("expected '\(character)', found \(found)")
    }
    position += 1
  }

  /// Takes the character if it is next.
  mutating func take(_ character: Unicode.Scalar) -> Bool {
    guard peek() == UInt8(ascii: character) else { return false }
    position += 1
    return true
  }

  /// `{ "key": value, ... }`, with `value` called after each colon; keys must be unique.
  mutating func object(
    _ value: (inout HeaderScanner, String, Int) throws(HeaderFault) -> Void
  ) throws(HeaderFault) {
    try expect("{")
    if take("}") { return }
    var keys = Set<String>()
    repeat {
      _ = peek()
      let place = position
      let key = try string()
      guard keys.insert(key).inserted else {
        throw fault("the key \"\(key)\" appears twice", at: place)
      }
      try expect(":")
      try value(&self, key, place)
    } while take(",")
    try expect("}")
  }

  /// `[1, 2, ...]`, whole numbers only.
  mutating func integers() throws(HeaderFault) -> [Int] {
    try expect("[")
    if take("]") { return [] }
    var values: [Int] = []
    repeat { values.append(try integer()) } while take(",")
    try expect("]")
    return values
  }

  mutating func integer() throws(HeaderFault) -> Int {
    _ = peek()
    let start = position
    var value = 0
    while position < bytes.count, case let digit = bytes[position], (0x30...0x39).contains(digit) {
      let (tens, overflow) = value.multipliedReportingOverflow(by: 10)
      let (sum, carry) = tens.addingReportingOverflow(Int(digit - 0x30))
      guard !overflow, !carry else { throw fault("the number is too large", at: start) }
      value = sum
      position += 1
    }
    guard position > start else { throw fault("expected a whole number, 0 or more") }
    guard position == start + 1 || bytes[start] != 0x30 else {
      throw fault("a number starts with 0", at: start)
    }
    return value
  }

  mutating func string() throws(HeaderFault) -> String {
    try expect("\"")
    let start = position
    var text: [UInt8] = []
    while position < bytes.count {
      let byte = bytes[position]
      position += 1
      switch byte {
      case UInt8(ascii: "\""):
        guard let string = String(validating: text, as: UTF8.self) else {
          throw fault("a string is not UTF-8", at: start)
        }
        return string
      case UInt8(ascii: "\\"):
        try escape(into: &text)
      case 0..<0x20:
        throw fault("a string holds a control character", at: position - 1)
      default:
        text.append(byte)
      }
    }
    throw fault("a string does not end", at: start)
  }

  private mutating func escape(into text: inout [UInt8]) throws(HeaderFault) {
    guard position < bytes.count else { throw fault("a string does not end") }
    let byte = bytes[position]
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): text.append(byte)
    case UInt8(ascii: "b"): text.append(0x08)
    case UInt8(ascii: "f"): text.append(0x0C)
    case UInt8(ascii: "n"): text.append(0x0A)
    case UInt8(ascii: "r"): text.append(0x0D)
    case UInt8(ascii: "t"): text.append(0x09)
    case UInt8(ascii: "u"): text.append(contentsOf: try unicodeEscape().utf8)
    default: throw fault("unknown escape in a string", at: position - 1)
    }
  }

  /// What follows `\u`: four digits, or a high and a low surrogate.
  private mutating func unicodeEscape() throws(HeaderFault) -> Character {
    let start = position
    var code = try fourDigits()
    if (0xD800..<0xDC00).contains(code), position + 1 < bytes.count,
      bytes[position] == UInt8(ascii: "\\"), bytes[position + 1] == UInt8(ascii: "u")
    {
      position += 2
      let low = try fourDigits()
      guard (0xDC00..<0xE000).contains(low) else {
        throw fault("half a surrogate pair in a string", at: start)
      }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw fault("half a surrogate pair in a string", at: start)
    }
    return Character(scalar)
  }

  private mutating func fourDigits() throws(HeaderFault) -> UInt32 {
    guard position + 4 <= bytes.count else { throw fault("a \\u escape does not end") }
    var code: UInt32 = 0
    for _ in 0..<4 {
      guard let digit = Character(Unicode.Scalar(bytes[position])).hexDigitValue else {
        throw fault("a \\u escape needs four hexadecimal digits")
      }
      code = code << 4 | UInt32(digit)
      position += 1
    }
    return code
  }
}
