/// A place in a text that is not JSON, and why.
public struct JSONSyntaxError: Error, Equatable, CustomStringConvertible {
  /// The line, from 1.
  public var line: Int
  /// The character in the line, from 1.
  public var column: Int
  /// What is wrong there.
  public var message: String

  /// Line, column and reason in one sentence.
  public var description: String { "line \(line), column \(column): \(message)" }
}

/// A parsed text, and on which line each of its keys stands.
package struct JSONDocument {
  /// The content.
  package var value: JSONValue
  /// Lines by key path, as in `training.optimizer.learningRate` or `model.channels[2]`.
  package var lines: KeyLines
  /// Paths of keys that were set from outside the text.
  package var overridden: Set<String> = []
}

/// A recursive descent over the bytes of a JSON text.
///
/// Foundation's decoders forget lines, accept duplicate keys and blur `1` and `true`; a
/// configuration needs all three.
package struct JSONParser {
  /// Nesting beyond this is refused before it can exhaust the stack.
  package static let deepest = 128

  let bytes: [UInt8]
  var position = 0
  /// The current line.
  ///
  /// Only space can hold line ends, so only `skipSpace` counts.
  private var currentLine = 1
  private var lines = KeyLines()

  /// Parses a whole text.
  package static func document(_ bytes: [UInt8]) throws(JSONSyntaxError) -> JSONDocument {
    var parser = JSONParser(bytes: bytes)
    if bytes.starts(with: [0xEF, 0xBB, 0xBF]) { parser.position = 3 }
    try parser.requireText()
    let value = try parser.value(path: KeyLines.Path(), depth: 0)
    try parser.skipSpace()
    guard parser.position == bytes.count else {
      throw parser.error("expected the end of the file after the first value")
    }
    return JSONDocument(value: value, lines: parser.lines)
  }

  private init(bytes: [UInt8]) {
    self.bytes = bytes
  }

  var current: UInt8? { position < bytes.count ? bytes[position] : nil }

  /// An error at a byte, by default the current one.
  func error(_ message: String, at offset: Int? = nil) -> JSONSyntaxError {
    let offset = offset ?? position
    let start = bytes[..<offset].lastIndex(of: UInt8(ascii: "\n")).map { $0 + 1 } ?? 0
    // Continuation bytes of UTF-8 do not begin a character.
    let column = 1 + bytes[start..<offset].count { $0 & 0xC0 != 0x80 }
    let line = 1 + bytes[..<start].count { $0 == UInt8(ascii: "\n") }
    return JSONSyntaxError(line: line, column: column, message: message)
  }

  /// Refuses bytes that are not UTF-8.
  private func requireText() throws(JSONSyntaxError) {
    guard String(validating: bytes, as: UTF8.self) == nil else { return }
    // The longest valid beginning ends at the culprit.
    var valid = 0
    var iterator = bytes.makeIterator()
    var decoder = UTF8()
    while case .scalarValue(let scalar) = decoder.decode(&iterator) {
      valid += UTF8.width(scalar)
    }
    throw error("not UTF-8 text", at: valid)
  }

  private mutating func skipSpace() throws(JSONSyntaxError) {
    while let byte = current {
      switch byte {
      case 0x20, 0x09, 0x0D: position += 1
      case 0x0A:
        position += 1
        currentLine += 1
      case UInt8(ascii: "/"), UInt8(ascii: "#"):
        throw error("JSON has no comments; remarks can go into \"description\"")
      default: return
      }
    }
  }

  private mutating func value(path: KeyLines.Path, depth: Int) throws(JSONSyntaxError) -> JSONValue
  {
    try skipSpace()
    guard depth < Self.deepest else {
      throw error("nested more than \(Self.deepest) deep")
    }
    guard let byte = current else { throw error("expected a value, found the end of the file") }
    switch byte {
    case UInt8(ascii: "{"): return .object(try object(path: path, depth: depth))
    case UInt8(ascii: "["): return .array(try array(path: path, depth: depth))
    case UInt8(ascii: "\""): return .string(try string())
    case UInt8(ascii: "-"), UInt8(ascii: "0")...UInt8(ascii: "9"): return try number()
    default: return try word()
    }
  }

  private mutating func object(path: KeyLines.Path, depth: Int) throws(JSONSyntaxError)
    -> JSONObject
  {
    var object = JSONObject()
    try list(closing: "}") { (parser) throws(JSONSyntaxError) in
      guard parser.current == UInt8(ascii: "\"") else {
        throw parser.error("expected a key in double quotes")
      }
      let start = parser.position
      let key = try parser.string()
      let keyPath = path.member(key)
      if object[key] != nil {
        let first = parser.lines[keyPath].map { " (first on line \($0))" } ?? ""
        throw parser.error("the key \"\(key)\" appears twice in one object\(first)", at: start)
      }
      parser.lines[keyPath] = parser.currentLine
      try parser.skipSpace()
      guard parser.current == UInt8(ascii: ":") else {
        throw parser.error("expected \":\" after the key \"\(key)\"")
      }
      parser.position += 1
      object[key] = try parser.value(path: keyPath, depth: depth + 1)
    }
    return object
  }

  private mutating func array(path: KeyLines.Path, depth: Int) throws(JSONSyntaxError)
    -> [JSONValue]
  {
    var values: [JSONValue] = []
    try list(closing: "]") { (parser) throws(JSONSyntaxError) in
      let itemPath = path.item(values.count)
      parser.lines[itemPath] = parser.currentLine
      values.append(try parser.value(path: itemPath, depth: depth + 1))
    }
    return values
  }

  /// Reads items with commas between them up to the closing bracket; stands on the opening one.
  private mutating func list(
    closing: Unicode.Scalar, item: (inout JSONParser) throws(JSONSyntaxError) -> Void
  ) throws(JSONSyntaxError) {
    let opening = currentLine
    position += 1
    try skipSpace()
    if current == UInt8(ascii: closing) {
      position += 1
      return
    }
    while true {
      try item(&self)
      try skipSpace()
      switch current {
      case UInt8(ascii: closing):
        position += 1
        return
      case UInt8(ascii: ","):
        let comma = position
        position += 1
        try skipSpace()
        if current == UInt8(ascii: closing) {
          throw error("a comma before \"\(closing)\"; remove it", at: comma)
        }
      case nil:
        throw error("expected \"\(closing)\" to close what opens on line \(opening)")
      default:
        throw error("expected \",\" or \"\(closing)\"")
      }
    }
  }

  private mutating func word() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    while let byte = current, UInt8(ascii: "a")...UInt8(ascii: "z") ~= byte | 0x20 {
      position += 1
    }
    switch String(decoding: bytes[start..<position], as: UTF8.self) {
    case "true": return .flag(true)
    case "false": return .flag(false)
    case "null": return .null
    case "": throw error("expected a value", at: start)
    case let word:
      throw error("expected a value, found \(word); text goes in double quotes", at: start)
    }
  }
}

/// Numbers and strings.
extension JSONParser {
  private mutating func digits() -> Int {
    let start = position
    while let byte = current, UInt8(ascii: "0")...UInt8(ascii: "9") ~= byte { position += 1 }
    return position - start
  }

  /// Reads a number; stands on its sign or first digit.
  mutating func number() throws(JSONSyntaxError) -> JSONValue {
    let start = position
    var whole = true
    if current == UInt8(ascii: "-") { position += 1 }
    let leading = current
    let count = digits()
    guard count > 0 else { throw error("expected a digit") }
    if count > 1, leading == UInt8(ascii: "0") {
      throw error("a number does not begin with 0", at: start)
    }
    if current == UInt8(ascii: ".") {
      whole = false
      position += 1
      guard digits() > 0 else { throw error("expected a digit after the point") }
    }
    if current == UInt8(ascii: "e") || current == UInt8(ascii: "E") {
      whole = false
      position += 1
      if current == UInt8(ascii: "+") || current == UInt8(ascii: "-") { position += 1 }
      guard digits() > 0 else { throw error("expected a digit in the exponent") }
    }
    let text = String(decoding: bytes[start..<position], as: UTF8.self)
    if whole, let integer = Int(text) { return .integer(integer) }
    guard let number = Double(text), number.isFinite else {
      throw error("the number \(text) is too large", at: start)
    }
    return .number(number)
  }

  /// Reads a string; stands on its opening quote.
  mutating func string() throws(JSONSyntaxError) -> String {
    let start = position
    var text: [UInt8] = []
    position += 1
    while let byte = current {
      switch byte {
      case UInt8(ascii: "\""):
        position += 1
        return String(decoding: text, as: UTF8.self)
      case UInt8(ascii: "\\"):
        text.append(contentsOf: String(try escape()).utf8)
      case 0..<0x20:
        throw error("a line ends inside a string, or a control character stands in it")
      default:
        text.append(byte)
        position += 1
      }
    }
    throw error("this string is never closed", at: start)
  }

  /// Reads what follows a backslash; stands on the backslash.
  private mutating func escape() throws(JSONSyntaxError) -> Unicode.Scalar {
    let start = position
    position += 1
    guard let byte = current else { throw error("this string is never closed", at: start) }
    position += 1
    switch byte {
    case UInt8(ascii: "\""), UInt8(ascii: "\\"), UInt8(ascii: "/"): return Unicode.Scalar(byte)
    case UInt8(ascii: "b"): return "\u{8}"
    case UInt8(ascii: "f"): return "\u{C}"
    case UInt8(ascii: "n"): return "\n"
    case UInt8(ascii: "r"): return "\r"
    case UInt8(ascii: "t"): return "\t"
    case UInt8(ascii: "u"): break
    default: throw error("an unknown escape; write \\\\ for a backslash", at: start)
    }
    var code = try fourDigits(from: start)
    // Beyond 16 bits JSON writes a pair of surrogates.
    if 0xD800..<0xDC00 ~= code, bytes[position...].starts(with: Array("\\u".utf8)) {
      position += 2
      let low = try fourDigits(from: start)
      guard 0xDC00..<0xE000 ~= low else { throw error("half a surrogate pair", at: start) }
      code = 0x10000 + (code - 0xD800) << 10 + (low - 0xDC00)
    }
    guard let scalar = Unicode.Scalar(code) else {
      throw error("half a surrogate pair", at: start)
    }
    return scalar
  }

  private mutating func fourDigits(from start: Int) throws(JSONSyntaxError) -> UInt32 {
    let end = min(position + 4, bytes.count)
    let digits = bytes[position..<end]
    guard digits.count == 4, digits.allSatisfy({ Character(Unicode.Scalar($0)).isHexDigit }),
      let code = UInt32(String(decoding: digits, as: UTF8.self), radix: 16)
    else { throw error("\\u needs four hexadecimal digits", at: start) }
    position = end
    return code
  }
}

/// On which line each key of a text stands.
///
/// Paths are kept as hashes: those of all items under a long key would take the product of both.
package struct KeyLines: Sendable {
  /// The path of a key, up to where it has been read.
  package struct Path: Sendable {
    package private(set) var isEmpty = true
    private var sum = Checksum()
    fileprivate var hash: UInt64 { sum.value }

    /// The outermost value.
    package init() {}

    /// A whole path, as in `model.channels[2]`.
    package init(_ text: some StringProtocol) { append(text) }

    /// The path of a member of the value at this one.
    package func member(_ key: String) -> Path {
      var path = self
      if !isEmpty { path.append(".") }
      path.append(key)
      return path
    }

    /// The path of an item of the value at this one.
    package func item(_ index: Int) -> Path {
      var path = self
      path.append("[\(index)]")
      return path
    }

    /// The hash continues where it ended.
    private mutating func append(_ text: some StringProtocol) {
      var text = String(text)
      text.withUTF8 {
        sum.add(UnsafeRawBufferPointer($0))
        if !$0.isEmpty { isEmpty = false }
      }
    }
  }

  private var lines: [UInt64: Int] = [:]

  /// The line of a key.
  package subscript(path: Path) -> Int? {
    get { lines[path.hash] }
    set { lines[path.hash] = newValue }
  }
}
