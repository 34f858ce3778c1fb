/// The fields of one object, visited in the order in which a `Configurable` declares them.
///
/// A visit reads the values of a text, if there is one, checks them, collects what is wrong with
/// all of them, writes them out again, and describes them for the JSON Schema.
public struct ConfigurationFields {
  /// Keys around this object with points between them; empty for the outermost.
  let path: String
  /// The object of the text; nil to take the values as they are.
  let input: JSONObject?

  /// Every value, in the order declared.
  private(set) var members = JSONObject()
  /// What is wrong so far.
  private(set) var problems: [ConfigurationProblem] = []
  /// Full paths of all fields declared here and further inside.
  var declared: [String] = []
  /// Keys of the text that no field claims.
  private(set) var unknown: [UnknownKey] = []

  /// Schemas of the fields.
  private(set) var properties = JSONObject()
  /// Names of the fields a text must give.
  var required: [String] = []
  /// Schemas of the variants, when the object is one of several.
  var alternatives: [JSONValue] = []

  /// Keys of variants that were not chosen, with the variants they belong to.
  var foreign: [String: [String]] = [:]
  /// Whether keys no field claims are let pass, because which fields there are is not known.
  var isOpen = false

  /// A key of the text that no field claims.
  struct UnknownKey {
    /// Full path.
    var path: String
    /// Its last part.
    var key: String
    /// Names that would be right in its place.
    var siblings: [String]
    /// Variants it would belong to.
    var variants: [String]
  }

  init(path: String, input: JSONObject?) {
    self.path = path
    self.input = input
  }

  /// Visits all fields of an outermost value.
  static func visit<Value: Configurable>(
    _ value: inout Value, input: JSONObject?
  ) -> ConfigurationFields {
    var fields = ConfigurationFields(path: "", input: input)
    value.declare(&fields)
    fields.close()
    return fields
  }

  /// The object with every value written out.
  var resolved: JSONValue { .object(members) }

  /// The full path of a field.
  func path(of name: String) -> String { path.isEmpty ? name : "\(path).\(name)" }

  // MARK: Declaring

  /// Records a field with its value and its schema, after it was read.
  mutating func record(_ name: String, _ value: JSONValue, schema: JSONObject) {
    declared.append(path(of: name))
    members[name] = value
    properties[name] = .object(schema)
  }

  /// Records what is wrong with a field.
  mutating func report(_ name: String, _ message: String, remedy: String = "") {
    problems.append(
      ConfigurationProblem(key: path(of: name), message: message, remedy: remedy))
  }

  /// Declares a field that is an object with fields of its own.
  public mutating func object<Value: Configurable>(
    _ name: String, _ value: inout Value, _ meaning: String
  ) {
    var inner: JSONObject?
    var mismatch: JSONValue?
    switch input?[name] {
    case .object(let object): inner = object
    case nil: inner = input == nil ? nil : JSONObject()
    case let other?: mismatch = other
    }
    var child = ConfigurationFields(path: path(of: name), input: inner)
    value.declare(&child)
    child.close()
    if let mismatch {
      report(name, "expected an object { ... }, found \(mismatch.found)")
    } else {
      problems += child.problems
      unknown += child.unknown
    }
    record(name, child.resolved, schema: child.objectSchema(summary: meaning))
    declared += child.declared
    if child.mustBeGiven { required.append(name) }
  }

  /// Collects the keys that no field claimed, after all fields are declared.
  mutating func close() {
    guard let input, !isOpen else { return }
    let siblings = members.keys
    for key in input.keys where members[key] == nil {
      unknown.append(
        UnknownKey(
          path: path(of: key), key: key, siblings: siblings, variants: foreign[key] ?? []))
    }
  }

  // MARK: Checks that concern several fields

  /// Checks what no single field can tell.
  ///
  /// The check is left out when one of the fields it concerns is wrong in itself.
  /// - Parameters:
  ///   - name: The field, or a path to one further inside, that the error names.
  ///   - others: Paths of the other fields concerned.
  ///   - holds: The condition.
  ///   - expected: What was expected, as in "a multiple of 4".
  ///   - remedy: The way out.
  public mutating func check(
    _ name: String, with others: [String] = [], _ holds: @autoclosure () -> Bool,
    expected: @autoclosure () -> String, remedy: @autoclosure () -> String = ""
  ) {
    let concerned = ([name] + others).map { path(of: $0) }
    let isWrong = problems.contains { problem in
      concerned.contains { problem.key == $0 || isKey(problem.key, inside: $0) }
    }
    guard !isWrong, !holds() else { return }
    let found = value(at: name).map { ", found \($0.found)" } ?? ""
    report(name, "expected \(expected())\(found)", remedy: remedy())
  }

  private func value(at name: String) -> JSONValue? {
    name.split(separator: ".").reduce(resolved) { value, key in
      guard case .object(let object)? = value else { return nil }
      return object[String(key)]
    }
  }

  // MARK: Results

  /// What to say of a key that no field claims.
  func problem(_ unknown: UnknownKey) -> ConfigurationProblem {
    let elsewhere = declared.first { $0.hasSuffix(".\(unknown.key)") }
    let remedy: String
    if !unknown.variants.isEmpty {
      let types = unknown.variants.map { "\"\($0)\"" }.joined(separator: " or ")
      remedy = "It belongs to type \(types): remove it, or set the object around it as a whole."
    } else if let elsewhere {
      remedy = "Did you mean \"\(elsewhere)\"?"
    } else if let near = nearest(to: unknown.key, among: unknown.siblings) {
      remedy = "Did you mean \"\(near)\"?"
    } else {
      remedy = "Valid keys here: \(unknown.siblings.joined(separator: ", "))."
    }
    return ConfigurationProblem(key: unknown.path, message: "unknown key", remedy: remedy)
  }

  /// Whether a text must hold this object, because some of its fields have no default.
  var mustBeGiven: Bool { !required.isEmpty }

  /// The JSON Schema of the object.
  func objectSchema(summary: String) -> JSONObject {
    var schema = JSONObject(["description": .string(summary)])
    if !alternatives.isEmpty {
      schema["oneOf"] = .array(alternatives)
      return schema
    }
    schema["type"] = .string("object")
    schema["properties"] = .object(properties)
    if !required.isEmpty { schema["required"] = .array(required.map(JSONValue.string)) }
    schema["additionalProperties"] = .flag(false)
    return schema
  }
}
