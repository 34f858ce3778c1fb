import Files
import Foundation

/// A value that declares its fields once, for parsing, checking, writing and the JSON Schema.
///
/// ```swift
/// struct Walk: Configurable {
///   var steps = 100
///   static let summary = "How far to go."
///   static let standard = Walk()
///   mutating func declare(_ fields: inout ConfigurationFields) {
///     fields.integer("steps", &steps, in: .atLeast(1), "Steps to go.")
///   }
/// }
/// ```
public protocol Configurable: Sendable, Equatable {
  /// What the value is, in one sentence.
  static var summary: String { get }

  /// The value a text that says nothing stands for.
  static var standard: Self { get }

  /// Names that users of other programs write for its keys.
  static var habits: [KeyHabit] { get }

  /// Declares each field with its name, range and meaning, then the checks that concern several.
  ///
  /// The current values are the defaults; values read from a text replace them.
  mutating func declare(_ fields: inout ConfigurationFields)
}

extension Configurable {
  /// None.
  public static var habits: [KeyHabit] { [] }

  /// Reads a value from a JSON text.
  ///
  /// - Parameters:
  ///   - text: One JSON object. What it leaves out is taken from `standard`.
  ///   - file: The name that errors give the text.
  ///   - overrides: Assignments `key.path=value` that go before the text, the last before all.
  ///   - notice: Called with what else there is to know, such as keys that an override dropped.
  /// - Throws: Every problem of the text at once.
  public static func parse(
    _ text: String, file: String? = nil, overrides: [String] = [],
    notice: (String) -> Void = { _ in }
  ) throws(ConfigurationError) -> Self {
    try parse(bytes: Array(text.utf8), file: file, overrides: overrides, notice: notice)
  }

  /// Reads a value from a JSON file, see `parse`.
  public static func load(
    path: String, overrides: [String] = [], notice: (String) -> Void = { _ in }
  ) throws(ConfigurationError) -> Self {
    let bytes: [UInt8]
    // Far more than any configuration has; a regular file, so that nothing waits for a pipe's writer.
    do { bytes = try ReadableFile.contents(of: path, limit: 1 << 28) } catch {
      throw unreadable(path, error)
    }
    return try parse(bytes: bytes, file: path, overrides: overrides, notice: notice)
  }

  /// The value as JSON text with every field written out.
  ///
  /// Parsing it gives an equal value: what is left to choose (such as a size of 0) is chosen.
  public var resolved: String {
    var copy = self
    // A visit settles what is left to choose, such as a size of 0; the next one writes it.
    _ = ConfigurationFields.visit(&copy, input: nil)
    return ConfigurationFields.visit(&copy, input: nil).resolved.prettyText + "\n"
  }

  /// Checks a value that was made or changed in code as if it had been read.
  public func validate() throws(ConfigurationError) {
    var copy = self
    let fields = ConfigurationFields.visit(&copy, input: nil)
    guard fields.problems.isEmpty else {
      throw ConfigurationError(kind: .invalid, file: nil, problems: fields.problems)
    }
  }

  /// The JSON Schema (draft 2020-12) of the texts that `parse` accepts.
  ///
  /// It cannot express checks that concern several fields.
  public static func schema() -> String {
    var copy = standard
    let fields = ConfigurationFields.visit(&copy, input: nil)
    var schema = JSONObject([
      "$schema": .string("https://json-schema.org/draft/2020-12/schema")
    ])
    for member in fields.objectSchema(summary: summary).members {
      schema[member.key] = member.value
    }
    return JSONValue.object(schema).prettyText + "\n"
  }

  private static func parse(
    bytes: [UInt8], file: String?, overrides: [String], notice: (String) -> Void
  ) throws(ConfigurationError) -> Self {
    var document: JSONDocument
    do {
      document = try JSONParser.document(bytes)
    } catch {
      throw ConfigurationError(
        kind: .syntax, file: file,
        problems: [
          ConfigurationProblem(
            key: "", place: "line \(error.line), column \(error.column)", message: error.message)
        ])
    }
    do throws(ConfigurationError) {
      for override in overrides { try document.apply(override: override) }
    } catch {
      throw ConfigurationError(kind: error.kind, file: file, problems: error.problems)
    }
    guard case .object(let object) = document.value else {
      throw ConfigurationError(
        kind: .invalid, file: file,
        problems: [
          ConfigurationProblem(
            key: "", message: "expected an object { ... }, found \(document.value.found)")
        ])
    }
    var value = standard
    let fields = ConfigurationFields.visit(
      &value, input: object, overridden: document.overridden)
    guard fields.problems.isEmpty, fields.unknown.isEmpty else {
      throw error(fields, in: document, file: file)
    }
    for text in fields.notices { notice(text) }
    return value
  }

  /// What is wrong, in the order of the text, with the lines; at most as much as anyone reads.
  private static func error(
    _ fields: ConfigurationFields, in document: JSONDocument, file: String?
  ) -> ConfigurationError {
    let keys = fields.problems.map(\.key) + fields.unknown.map(\.path)
    let lines = keys.map { document.line(of: $0) ?? 0 }
    let order = keys.indices.sorted { (lines[$0], $0) < (lines[$1], $1) }
    let told = order.prefix(ConfigurationError.mostProblems).map { index in
      var problem =
        index < fields.problems.count
        ? fields.problems[index]
        : fields.problem(
          fields.unknown[index - fields.problems.count], habits: habits)
      problem.place = document.place(of: problem.key)
      return problem
    }
    return ConfigurationError(
      kind: .invalid, file: file, problems: told, omitted: order.count - told.count)
  }

  /// An error that names the file and, if there is one, the file that was probably meant.
  private static func unreadable(_ path: String, _ error: FileError) -> ConfigurationError {
    let url = URL(fileURLWithPath: path)
    let folder = url.deletingLastPathComponent()
    let files = FileManager.default
    var isFolder: ObjCBool = false
    let exists = files.fileExists(atPath: path, isDirectory: &isFolder)
    let message =
      isFolder.boolValue
      ? "expected a file, found a folder"
      : exists ? "cannot be read: \(error.inWords)" : "no such file"
    let names = ((try? files.contentsOfDirectory(atPath: folder.path)) ?? [])
      .filter { $0.hasSuffix(".json") }.sorted()
    let near = exists ? nil : nearest(to: url.lastPathComponent, among: names)
    return ConfigurationError(
      kind: .unreadable, file: path,
      problems: [
        ConfigurationProblem(
          key: "", message: message, remedy: near.map { "Did you mean \"\($0)\"?" } ?? "")
      ])
  }
}

// MARK: - Listing keys

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
    if let words = field["enum"]?.texts {
      let names = words.map { "\"\($0)\"" }.joined(separator: ", ")
      return names + (field["enum"]?.holdsNull == true ? ", null" : "")
    }
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

  /// Whether it is a list that `null` is in.
  fileprivate var holdsNull: Bool {
    guard case .array(let items) = self else { return false }
    return items.contains(.null)
  }
}
