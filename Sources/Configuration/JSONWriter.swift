extension JSONValue {
  /// The value on one line.
  public var compactText: String {
    switch self {
    case .null: "null"
    case .flag(let flag): flag ? "true" : "false"
    case .integer(let integer): String(integer)
    case .number(let number): Self.text(of: number)
    case .string(let string): Self.quoted(string)
    case .array(let values): "[" + values.map(\.compactText).joined(separator: ", ") + "]"
    case .object(let object):
      "{"
        + object.members.map { "\(Self.quoted($0.key)): \($0.value.compactText)" }
        .joined(separator: ", ") + "}"
    }
  }

  /// The value over several lines: a member a line, lists of plain values on one.
  ///
  /// Parsing the text gives an equal value.
  public var prettyText: String { pretty(indentation: "") }

  private func pretty(indentation: String) -> String {
    let inner = indentation + "  "
    switch self {
    case .array(let values) where values.contains(where: \.isContainer):
      let lines = values.map { inner + $0.pretty(indentation: inner) }
      return "[\n" + lines.joined(separator: ",\n") + "\n\(indentation)]"
    case .object(let object) where !object.members.isEmpty:
      let lines = object.members.map {
        "\(inner)\(Self.quoted($0.key)): \($0.value.pretty(indentation: inner))"
      }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indentation)}"
    default: return compactText
    }
  }

  private var isContainer: Bool {
    switch self {
    case .array, .object: true
    default: false
    }
  }

  /// The shortest text that reads back as the same number, with `1e-8` for Swift's `1e-08`.
  private static func text(of number: Double) -> String {
    let parts = number.description.split(separator: "e")
    guard parts.count == 2, let exponent = Int(parts[1]) else { return number.description }
    return "\(parts[0])e\(exponent)"
  }

  private static func quoted(_ string: String) -> String {
    var text = "\""
    for scalar in string.unicodeScalars {
      switch scalar {
      case "\"": text += "\\\""
      case "\\": text += "\\\\"
      case "\n": text += "\\n"
      case "\r": text += "\\r"
      case "\t": text += "\\t"
      case "\u{0}"..<" ":
        let digits = String(scalar.value, radix: 16)
        text += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: text.unicodeScalars.append(scalar)
      }
    }
    return text + "\""
  }
}
