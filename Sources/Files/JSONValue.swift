/// A JSON value, with whole numbers kept apart from fractions and objects in the order written.
public enum JSONValue: Sendable, Equatable {
  /// `null`.
  case null
  /// `true` or `false`.
  case flag(Bool)
  /// A number written without fraction and exponent that fits 64 bits.
  case integer(Int)
  /// Any other number.
  case number(Double)
  /// Text.
  case string(String)
  /// A list of values.
  case array([JSONValue])
  /// Named values.
  case object(JSONObject)

  /// Parses one JSON text (RFC 8259); duplicate keys are errors.
  public init(parsing text: String) throws(JSONSyntaxError) {
    self = try JSONParser.document(Array(text.utf8)).value
  }

  /// The value as a number, if it is one.
  public var double: Double? {
    switch self {
    case .integer(let integer): Double(integer)
    case .number(let number): number
    default: nil
    }
  }

  /// What an error message shows of the value: the value itself, shortened when it is long.
  package var found: String {
    switch self {
    case .object(let object): return object.members.isEmpty ? "{}" : "an object"
    default:
      let text = compactText
      return text.count <= 60 ? text : text.prefix(57) + "..."
    }
  }
}

/// The members of a JSON object in the order written.
///
/// Two objects are equal when they hold equal members in the same order.
public struct JSONObject: Sendable, Equatable {
  /// A key and its value.
  public struct Member: Sendable, Equatable {
    /// The name.
    public var key: String
    /// The value of that name.
    public var value: JSONValue
  }

  /// Names and values, in order.
  public private(set) var members: [Member] = []
  /// Where each name stands, once there are more than a few.
  private var places: [String: Int] = [:]

  /// Members that are looked through one by one.
  private static let few = 16

  /// Creates an object of the given members; of two equal keys the later value stays.
  public init(_ pairs: KeyValuePairs<String, JSONValue> = [:]) {
    for (key, value) in pairs { self[key] = value }
  }

  /// The names, in order.
  public var keys: [String] { members.map(\.key) }

  /// The value of a key; a new key goes to the end, nil removes one.
  public subscript(key: String) -> JSONValue? {
    get { place(of: key).map { members[$0].value } }
    set {
      switch (place(of: key), newValue) {
      case (let index?, let value?): members[index].value = value
      case (let index?, nil):
        members.remove(at: index)
        places = [:]
        notePlaces()
      case (nil, let value?):
        members.append(Member(key: key, value: value))
        notePlaces()
      case (nil, nil): break
      }
    }
  }

  /// Whether the members are equal, and in the same order.
  public static func == (a: JSONObject, b: JSONObject) -> Bool { a.members == b.members }

  private func place(of key: String) -> Int? {
    members.count > Self.few ? places[key] : members.firstIndex { $0.key == key }
  }

  /// Takes note of the members that have come since the last time.
  private mutating func notePlaces() {
    guard members.count > Self.few else { return }
    for index in places.count..<members.count { places[members[index].key] = index }
  }
}

// MARK: - Writing

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
