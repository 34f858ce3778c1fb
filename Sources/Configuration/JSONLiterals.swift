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
