import Files

/// The fields of one object, visited in the order in which a `Configurable` declares them.
///
/// A visit reads the values of a text, if there is one, checks them, collects what is wrong with
/// all of them, writes them out again, and describes them for the JSON Schema.
public struct ConfigurationFields {
  /// Keys around this object with points between them; empty for the outermost.
  let path: String
  /// The object of the text; nil to take the values as they are.
  let input: JSONObject?
  /// Full paths of the keys that were set over the text.
  let overridden: Set<String>

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
  /// The key that names the variant; nil if the object is no variant.
  var tag: String?
  /// Keys of another variant that the text has and an override of the variant's name dropped.
  private(set) var dropped: [UnknownKey] = []
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

  init(path: String, input: JSONObject?, overridden: Set<String> = []) {
    self.path = path
    self.input = input
    self.overridden = overridden
  }

  /// Visits all fields of an outermost value.
  static func visit<Value: Configurable>(
    _ value: inout Value, input: JSONObject?, overridden: Set<String> = []
  ) -> ConfigurationFields {
    var fields = ConfigurationFields(path: "", input: input, overridden: overridden)
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

  /// Leaves a field that was declared out of the resolved text.
  mutating func leaveOut(_ name: String) { members[name] = nil }

  /// Records what is wrong with a field.
  mutating func report(_ name: String, _ message: String, remedy: String = "") {
    problems.append(
      ConfigurationProblem(key: path(of: name), message: message, remedy: remedy))
  }

  /// Declares a field that is an object with fields of its own.
  ///
  /// - Parameter isWritten: whether it is part of the resolved text; what is seldom set is left out where
  ///   it says nothing.
  public mutating func object<Value: Configurable>(
    _ name: String, _ value: inout Value, isWritten: (Value) -> Bool = { _ in true },
    _ meaning: String
  ) {
    var inner: JSONObject?
    var mismatch: JSONValue?
    switch input?[name] {
    case .object(let object): inner = object
    case nil: inner = input == nil ? nil : JSONObject()
    case let other?: mismatch = other
    }
    var child = ConfigurationFields(path: path(of: name), input: inner, overridden: overridden)
    value.declare(&child)
    child.close()
    if let mismatch {
      report(name, "expected an object { ... }, found \(mismatch.found)")
    } else {
      adopt(child)
    }
    record(name, child.resolved, schema: child.objectSchema(summary: meaning))
    if !isWritten(value) { leaveOut(name) }
    declared += child.declared
    if child.mustBeGiven { required.append(name) }
  }

  /// Takes over what a visit further inside found wrong.
  mutating func adopt(_ child: ConfigurationFields) {
    problems += child.problems
    unknown += child.unknown
    dropped += child.dropped
  }

  /// Collects the keys that no field claimed, after all fields are declared.
  ///
  /// Keys of the text that belong to another variant go with it when the variant is overridden.
  mutating func close() {
    guard let input, !isOpen else { return }
    let isChanged = tag.map { overridden.contains(path(of: $0)) } ?? false
    let siblings = properties.keys
    for key in input.keys where properties[key] == nil {
      let key = UnknownKey(
        path: path(of: key), key: key, siblings: siblings, variants: foreign[key] ?? [])
      let isOfText = !overridden.contains { $0 == key.path || isKey($0, inside: key.path) }
      if isChanged, isOfText, !key.variants.isEmpty {
        dropped.append(key)
      } else {
        unknown.append(key)
      }
    }
  }

  /// Notices on keys that a change of variant dropped.
  var notices: [String] {
    dropped.map { dropped in
      let types = dropped.variants.map { "\"\($0)\"" }.joined(separator: " and ")
      return "\(dropped.path) belongs to type \(types) and is dropped with it"
    }
  }

  // MARK: Checks that concern several fields

  /// Checks that concern several fields.
  ///
  /// The check is skipped when one of the fields it concerns is wrong in itself.
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

  /// The problem with an unknown key.
  /// - Parameter habits: Names that other programs give the settings.
  func problem(_ unknown: UnknownKey, habits: [KeyHabit] = []) -> ConfigurationProblem {
    ConfigurationProblem(
      key: unknown.path, message: "unknown key", remedy: remedy(unknown, habits))
  }

  private func remedy(_ unknown: UnknownKey, _ habits: [KeyHabit]) -> String {
    if !unknown.variants.isEmpty {
      let types = unknown.variants.map { "\"\($0)\"" }.joined(separator: " or ")
      return "It belongs to type \(types): remove it, or set the object around it as a whole."
    }
    // The same key elsewhere, a neighbour but for its spelling, a habit, a key like it anywhere.
    if let elsewhere = declared.first(where: { $0.hasSuffix(".\(unknown.key)") }) {
      return "Did you mean \"\(elsewhere)\"?"
    }
    if let same = unknown.siblings.first(where: { isSameWord($0, unknown.key) }) {
      return "Did you mean \"\(same)\"?"
    }
    if let habit = habits.first(where: { $0.answers(unknown.key) }) { return habit.remedy }
    if let near = nearest(to: unknown.key, among: unknown.siblings) {
      return "Did you mean \"\(near)\"?"
    }
    if let near = Self.nearestPath(to: unknown.key, among: declared) {
      return "Did you mean \"\(near)\"?"
    }
    return "Valid keys here: \(unknown.siblings.joined(separator: ", "))."
  }

  /// The path whose last part is like a key, or nil.
  static func nearestPath(to key: String, among paths: [String]) -> String? {
    let keys = paths.map {
      String($0[($0.lastIndex(of: ".").map($0.index(after:)) ?? $0.startIndex)...])
    }
    guard let near = nearest(to: key, among: keys) else { return nil }
    return keys.firstIndex(of: near).map { paths[$0] }
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

// MARK: - Variants

/// One of the kinds of object a field can hold, distinguished by a word such as `"type": "fsq"`.
public struct ConfigurationVariant<Whole> {
  /// The word.
  let name: String
  /// Visits the fields of this kind, from the current value if it is of this kind.
  let declare: (inout ConfigurationFields, Whole?) -> Whole
  /// Whether a value is of this kind.
  let holds: (Whole) -> Bool
  /// What this kind is, in one sentence.
  let summary: String

  /// Creates a variant from a case of an enumeration and the way back out of it.
  public init<Part: Configurable>(
    _ name: String, _ embed: @escaping (Part) -> Whole, _ extract: @escaping (Whole) -> Part?
  ) {
    self.name = name
    self.summary = Part.summary
    self.holds = { extract($0) != nil }
    self.declare = { fields, whole in
      var part = whole.flatMap(extract) ?? Part.standard
      part.declare(&fields)
      return embed(part)
    }
  }

  /// A visit that only describes this kind.
  fileprivate func described(path: String) -> ConfigurationFields {
    var fields = ConfigurationFields(path: path, input: nil)
    _ = declare(&fields, nil)
    return fields
  }
}

extension ConfigurationFields {
  /// Declares that the object is one of several kinds, each with fields of its own.
  ///
  /// This must be the only declaration of its object.
  /// - Parameters:
  ///   - name: The key whose word names the kind.
  ///   - value: The object; its kind is the default.
  ///   - isRequired: Whether a configuration must name the kind.
  ///   - variants: The kinds.
  public mutating func variant<Whole>(
    _ name: String, _ value: inout Whole, isRequired: Bool = false,
    _ variants: [ConfigurationVariant<Whole>]
  ) {
    let words = variants.map(\.name)
    tag = name
    guard let standard = variants.first(where: { $0.holds(value) }) else {
      preconditionFailure("no variant of \"\(path(of: name))\" holds \(value)")
    }
    let descriptions = variants.map { $0.described(path: path) }
    for (variant, description) in zip(variants, descriptions) {
      var tag = JSONObject(["const": .string(variant.name)])
      let isDefault = variant.name == standard.name && !isRequired
      if isDefault { tag["default"] = .string(variant.name) }
      alternatives.append(
        description.variantSchema(
          tag: name, tag, summary: variant.summary, isTagRequired: !isDefault))
      // So that a misplaced key is recognized even when its kind was not chosen.
      declared += description.declared
      for key in description.members.keys { foreign[key, default: []].append(variant.name) }
    }
    if isRequired { required.append(name) }

    var chosen: ConfigurationVariant<Whole>? = standard
    if let json = input?[name] {
      chosen = variants.first { json == .string($0.name) }
      if chosen == nil {
        let mismatch = Self.unknownWord(json, among: words)
        report(
          name, "expected \(mismatch.expected), found \(json.found)", remedy: mismatch.remedy)
      }
    } else if input != nil, isRequired {
      chosen = nil
      let expected = words.map { "\"\($0)\"" }.joined(separator: " or ")
      report(name, "missing: expected \(expected)")
    }
    record(name, .string(chosen?.name ?? standard.name), schema: JSONObject())
    guard let chosen else {
      // Which fields there are depends on the kind, so none can be called unknown.
      isOpen = true
      return
    }
    value = chosen.declare(&self, value)
  }

  /// The schema of an object of one kind.
  fileprivate func variantSchema(
    tag: String, _ tagSchema: JSONObject, summary: String, isTagRequired: Bool
  ) -> JSONValue {
    var all = JSONObject([tag: .object(tagSchema)])
    for member in properties.members { all[member.key] = member.value }
    var schema = objectSchema(summary: summary)
    schema["properties"] = .object(all)
    let names = (isTagRequired ? [tag] : []) + required
    schema["required"] = names.isEmpty ? nil : .array(names.map(JSONValue.string))
    return .object(schema)
  }
}
