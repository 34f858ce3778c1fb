/// One key of a configuration, as listed.
public struct ConfigurationKey: Sendable, Equatable {
  /// The key, as in `training.optimizer.learningRate`.
  public let path: String
  /// What it accepts, in words.
  public let kind: String
  /// The default, as JSON; nil if the key is required.
  public let standard: String?
  /// What it means, in a sentence or two.
  public let meaning: String
  /// The types of the object around it that have it; empty where the object has no type.
  public internal(set) var types: [String]
}

extension Configurable {
  /// All keys that `parse` accepts, in the order declared.
  ///
  /// A key that several types of an object have stands once, unless it differs among them.
  public static var keys: [ConfigurationKey] {
    var copy = standard
    let schema = ConfigurationFields.visit(&copy, input: nil).objectSchema(summary: summary)
    var keys: [ConfigurationKey] = []
    collect(schema, under: "", types: [], into: &keys)
    return keys
  }

  /// Adds the keys of one object.
  private static func collect(
    _ schema: JSONObject, under parent: String, types: [String], into keys: inout [ConfigurationKey]
  ) {
    guard case .object(let properties)? = schema["properties"] else { return }
    let required = schema["required"]?.texts ?? []
    for member in properties.members {
      guard case .object(let field) = member.value, field["const"] == nil else { continue }
      let path = parent.isEmpty ? member.key : "\(parent).\(member.key)"
      if case .array(let alternatives)? = field["oneOf"] {
        collect(alternatives, of: field, under: path, into: &keys)
      } else if field["properties"] != nil {
        collect(field, under: path, types: types, into: &keys)
      } else {
        let isRequired = required.contains(member.key)
        let key = ConfigurationKey(
          path: path, kind: kind(of: field),
          standard: isRequired ? nil : field["default"]?.compactText ?? "[]",
          meaning: field["description"]?.text ?? "", types: types)
        add(key, to: &keys)
        if case .object(let items)? = field["items"] {
          collect(items, under: path + "[]", types: types, into: &keys)
        }
      }
    }
  }

  /// Adds the keys of an object that is one of several types.
  private static func collect(
    _ alternatives: [JSONValue], of field: JSONObject, under path: String,
    into keys: inout [ConfigurationKey]
  ) {
    var names: [(tag: String, type: String, isDefault: Bool)] = []
    for case .object(let alternative) in alternatives {
      guard case .object(let properties)? = alternative["properties"] else { continue }
      for member in properties.members {
        guard case .object(let tag) = member.value, let type = tag["const"]?.text else { continue }
        names.append((member.key, type, tag["default"] != nil))
      }
    }
    guard let tag = names.first?.tag else { return }
    keys.append(
      ConfigurationKey(
        path: "\(path).\(tag)", kind: names.map { "\"\($0.type)\"" }.joined(separator: ", "),
        standard: names.first(where: \.isDefault).map { "\"\($0.type)\"" },
        meaning: field["description"]?.text ?? "", types: []))
    for (alternative, name) in zip(alternatives, names) {
      if case .object(let object) = alternative {
        collect(object, under: path, types: [name.type], into: &keys)
      }
    }
  }

  /// Adds a key, or its type to the key that is there already.
  private static func add(_ key: ConfigurationKey, to keys: inout [ConfigurationKey]) {
    let same = keys.firstIndex {
      $0.path == key.path && $0.kind == key.kind && $0.standard == key.standard
        && $0.meaning == key.meaning
    }
    if let same { keys[same].types += key.types } else { keys.append(key) }
  }

  /// What a field accepts, in words.
  private static func kind(of field: JSONObject) -> String {
    if let words = field["enum"]?.texts { return words.map { "\"\($0)\"" }.joined(separator: ", ") }
    let types = field["type"]?.text.map { [$0] } ?? field["type"]?.texts ?? []
    let name =
      switch types.first {
      case "boolean": "true, false"
      case "string": "text"
      case "array":
        if case .object(let items)? = field["items"] {
          "list of \(kind(of: items))"
        } else {
          "list"
        }
      case "object":
        field["properties"] == nil && field["additionalProperties"] != nil
          ? "texts by name" : "object"
      case let type?: type
      case nil: "value"
      }
    return name + limits(of: field) + (types.contains("null") ? ", null" : "")
  }

  /// The limits of a number.
  private static func limits(of field: JSONObject) -> String {
    func text(_ key: String, _ sign: String) -> String? {
      field[key].map { sign + $0.compactText }
    }
    let limits = [
      text("minimum", "≥ "), text("exclusiveMinimum", "> "), text("maximum", "≤ "),
      text("exclusiveMaximum", "< "),
    ].compactMap(\.self)
    return limits.isEmpty ? "" : " " + limits.joined(separator: ", ")
  }
}

extension JSONValue {
  /// The text, if it is one.
  fileprivate var text: String? {
    if case .string(let text) = self { text } else { nil }
  }

  /// The texts, if it is a list of them.
  fileprivate var texts: [String]? {
    guard case .array(let items) = self else { return nil }
    return items.compactMap(\.text)
  }
}
