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
