import Files

/// A value of the wrong kind; thrown when a field is read.
struct Mismatch: Error {
  /// The place inside the field, as in `[2]`; empty for the field itself.
  var place = ""
  /// What was expected.
  var expected: String
  /// What was found.
  var found: JSONValue
  /// The way out.
  var remedy = ""
}

extension ConfigurationFields {
  /// Declares an integer.
  public mutating func integer(
    _ name: String, _ value: inout Int, in bounds: Bounds<Int> = .any, _ meaning: String,
    remedy: String = ""
  ) {
    field(
      name, &value, Self.integerSchema(bounds), meaning, remedy: remedy, write: { .integer($0) }
    ) {
      (json) throws(Mismatch) in try Self.integer(json, bounds)
    }
  }

  /// Declares an integer that may be absent or `null`.
  /// - Parameter isWritten: whether it is part of the resolved text; what is seldom set is left out where it
  ///   says nothing.
  public mutating func integer(
    _ name: String, _ value: inout Int?, in bounds: Bounds<Int> = .any,
    isWritten: (Int?) -> Bool = { _ in true }, _ meaning: String, remedy: String = ""
  ) {
    optional(
      name, &value, Self.integerSchema(bounds), meaning, remedy: remedy, write: { .integer($0) }
    ) { (json) throws(Mismatch) in try Self.integer(json, bounds) }
    if !isWritten(value) { leaveOut(name) }
  }

  /// Declares a list of integers.
  /// - Parameters:
  ///   - each: Which integers the list may hold.
  ///   - count: How many.
  public mutating func integers(
    _ name: String, _ value: inout [Int], each: Bounds<Int> = .any,
    count: Bounds<Int> = .atLeast(0), _ meaning: String, remedy: String = ""
  ) {
    var schema = JSONObject([
      "type": .string("array"), "items": .object(Self.integerSchema(each)),
    ])
    if let minimum = count.minimum, minimum > 0 { schema["minItems"] = .integer(minimum) }
    if let maximum = count.maximum { schema["maxItems"] = .integer(maximum) }
    field(
      name, &value, schema, meaning, remedy: remedy, write: { .array($0.map(JSONValue.integer)) }
    ) { (json) throws(Mismatch) in
      guard case .array(let items) = json, count.contains(items.count) else {
        throw Mismatch(expected: Self.list(count), found: json)
      }
      var integers: [Int] = []
      for (index, item) in items.enumerated() {
        do throws(Mismatch) {
          integers.append(try Self.integer(item, each))
        } catch {
          var located = error
          located.place = "[\(index)]"
          throw located
        }
      }
      return integers
    }
  }

  /// Declares an object of integers by names that are not known beforehand.
  public mutating func integers(
    _ name: String, _ value: inout [String: Int], each: Bounds<Int> = .any, _ meaning: String,
    remedy: String = ""
  ) {
    let schema = JSONObject([
      "type": .string("object"), "additionalProperties": .object(Self.integerSchema(each)),
    ])
    field(
      name, &value, schema, meaning, remedy: remedy,
      write: { integers in
        var object = JSONObject()
        for name in integers.keys.sorted() { object[name] = .integer(integers[name] ?? 0) }
        return .object(object)
      }
    ) { (json) throws(Mismatch) in
      guard case .object(let object) = json else {
        throw Self.mismatch("an object { \"name\": integer, ... }", json)
      }
      var integers: [String: Int] = [:]
      for key in object.keys {
        do throws(Mismatch) {
          integers[key] = try Self.integer(object[key] ?? .null, each)
        } catch {
          var located = error
          located.place = "." + key
          throw located
        }
      }
      return integers
    }
  }

  /// Declares a number.
  ///
  /// - Parameter isSingle: whether it is computed with as a 32-bit float; one that would become
  ///   infinite, zero or out of bounds there is refused.
  public mutating func number(
    _ name: String, _ value: inout Double, in bounds: Bounds<Double> = .any,
    isSingle: Bool = false, isWritten: (Double) -> Bool = { _ in true }, _ meaning: String,
    remedy: String = ""
  ) {
    var schema = JSONObject(["type": .string("number")])
    bounds.describe(in: &schema) { .number($0) }
    field(name, &value, schema, meaning, remedy: remedy, write: { .number($0) }) {
      (json) throws(Mismatch) in
      let number: Double
      switch json {
      case .integer(let integer): number = Double(integer)
      case .number(let fraction): number = fraction
      default: throw Self.mismatch("a number\(bounds.words)", json)
      }
      guard number.isFinite, bounds.contains(number) else {
        throw Mismatch(expected: "a number\(bounds.words)", found: json)
      }
      if isSingle, let remedy = SinglePrecision.remedy(number, bounds) {
        throw Mismatch(
          expected: "a number\(bounds.words) as a 32-bit float", found: json, remedy: remedy)
      }
      return number
    }
    if !isWritten(value) { leaveOut(name) }
  }

  /// Declares a switch.
  public mutating func flag(_ name: String, _ value: inout Bool, _ meaning: String) {
    field(
      name, &value, JSONObject(["type": .string("boolean")]), meaning, remedy: "",
      write: { .flag($0) }
    ) { (json) throws(Mismatch) in
      guard case .flag(let flag) = json else {
        throw Self.mismatch("true or false", json)
      }
      return flag
    }
  }

  /// Declares a text that must not be empty unless `canBeEmpty`.
  /// - Parameters:
  ///   - isRequired: Whether a configuration must give it.
  ///   - isPath: Whether it names a file or folder, so that `~` at its start is the home folder.
  public mutating func string(
    _ name: String, _ value: inout String, isRequired: Bool = false, canBeEmpty: Bool = false,
    isPath: Bool = false, pattern: String? = nil, _ meaning: String, remedy: String = ""
  ) {
    var schema = Self.stringSchema(canBeEmpty: canBeEmpty)
    if let pattern { schema["pattern"] = .string(pattern) }
    field(
      name, &value, schema, meaning, remedy: remedy,
      isRequired: isRequired, write: { .string($0) }
    ) { (json) throws(Mismatch) in
      try Self.string(json, canBeEmpty: canBeEmpty, isPath: isPath)
    }
  }

  /// Declares a text that may be absent or `null`.
  /// - Parameter isWritten: whether it is part of the resolved text; what is seldom set is left out where it
  ///   says nothing.
  public mutating func string(
    _ name: String, _ value: inout String?, isPath: Bool = false,
    isWritten: (String?) -> Bool = { _ in true }, _ meaning: String, remedy: String = ""
  ) {
    optional(
      name, &value, Self.stringSchema(canBeEmpty: false), meaning, remedy: remedy,
      write: { .string($0) }
    ) { (json) throws(Mismatch) in
      try Self.string(json, canBeEmpty: false, isPath: isPath)
    }
    if !isWritten(value) { leaveOut(name) }
  }

  /// Declares one of several words: of all that there are, or of some.
  /// - Parameters:
  ///   - aliases: Other words that are read as one of them.
  ///   - isWritten: whether it is part of the resolved text; what is seldom set is left out where it says
  ///     nothing.
  public mutating func choice<Choice: RawRepresentable & CaseIterable>(
    _ name: String, _ value: inout Choice, among choices: [Choice] = Array(Choice.allCases),
    aliases: KeyValuePairs<String, Choice> = [:], isWritten: (Choice) -> Bool = { _ in true },
    _ meaning: String
  ) where Choice.RawValue == String {
    let words = choices.map(\.rawValue) + aliases.map(\.key)
    let schema = JSONObject(["enum": .array(words.map(JSONValue.string))])
    field(name, &value, schema, meaning, remedy: "", write: { .string($0.rawValue) }) {
      (json) throws(Mismatch) in
      if case .string(let word) = json, words.contains(word),
        let choice = Choice(rawValue: word) ?? aliases.first(where: { $0.key == word })?.value
      {
        return choice
      }
      throw Self.unknownWord(json, among: words)
    }
    if !isWritten(value) { leaveOut(name) }
  }

  /// Declares one of some words that may be absent or `null`; it is part of the resolved text only where
  /// it is there.
  public mutating func choice<Choice: RawRepresentable>(
    _ name: String, _ value: inout Choice?, among choices: [Choice], _ meaning: String
  ) where Choice.RawValue == String {
    let words = choices.map(\.rawValue)
    let schema = JSONObject(["enum": .array(words.map(JSONValue.string) + [.null])])
    optional(name, &value, schema, meaning, remedy: "", write: { .string($0.rawValue) }) {
      (json) throws(Mismatch) in
      if case .string(let word) = json, let choice = choices.first(where: { $0.rawValue == word }) {
        return choice
      }
      throw Self.unknownWord(json, among: words)
    }
    if value == nil { leaveOut(name) }
  }

  /// Declares a list of some of several words, whose order does not count.
  ///
  /// It is written in the order of the cases.
  public mutating func choices<Choice: RawRepresentable & CaseIterable & Hashable>(
    _ name: String, _ value: inout Set<Choice>, _ meaning: String
  ) where Choice.RawValue == String {
    let words = Choice.allCases.map(\.rawValue)
    let schema = JSONObject([
      "type": .string("array"),
      "items": .object(JSONObject(["enum": .array(words.map(JSONValue.string))])),
    ])
    let write = { (choices: Set<Choice>) -> JSONValue in
      .array(Choice.allCases.filter(choices.contains).map { .string($0.rawValue) })
    }
    field(name, &value, schema, meaning, remedy: "", write: write) { (json) throws(Mismatch) in
      guard case .array(let items) = json else {
        var mismatch = Self.unknownWord(json, among: words)
        mismatch.expected = "a list of " + mismatch.expected
        if case .string(let word) = json, words.contains(word) {
          mismatch.remedy = "Write [\"\(word)\"]."
        }
        throw mismatch
      }
      var choices: Set<Choice> = []
      for (index, item) in items.enumerated() {
        guard case .string(let word) = item, let choice = Choice(rawValue: word) else {
          var mismatch = Self.unknownWord(item, among: words)
          mismatch.place = "[\(index)]"
          throw mismatch
        }
        choices.insert(choice)
      }
      return choices
    }
  }

  /// The error for a value that is none of several words.
  static func unknownWord(_ json: JSONValue, among words: [String]) -> Mismatch {
    var mismatch = Mismatch(
      expected: words.map { "\"\($0)\"" }.joined(separator: " or "), found: json)
    if case .string(let word) = json, let near = nearest(to: word, among: words) {
      mismatch.remedy = "Did you mean \"\(near)\"?"
    }
    return mismatch
  }

  // MARK: One field

  /// Reads, checks, writes and describes one field.
  mutating func field<Value>(
    _ name: String, _ value: inout Value, _ schema: JSONObject, _ meaning: String,
    remedy: String, isRequired: Bool = false, write: (Value) -> JSONValue,
    read: (JSONValue) throws(Mismatch) -> Value
  ) {
    var schema = schema
    schema["description"] = .string(meaning)
    if isRequired { required.append(name) } else { schema["default"] = write(value) }
    // Without a text, the value itself is checked.
    if let json = input == nil ? write(value) : input?[name] {
      do throws(Mismatch) {
        value = try read(json)
      } catch {
        report(
          name + error.place, "expected \(error.expected), found \(error.found.found)",
          remedy: error.remedy.isEmpty ? remedy : error.remedy)
      }
    } else if isRequired {
      let lastPoint = meaning.hasSuffix(".") ? 1 : 0
      report(name, "missing: \(meaning.dropLast(lastPoint))", remedy: remedy)
    }
    record(name, write(value), schema: schema)
  }

  /// One field that may be absent or `null`.
  private mutating func optional<Value>(
    _ name: String, _ value: inout Value?, _ schema: JSONObject, _ meaning: String,
    remedy: String, write: (Value) -> JSONValue, read: (JSONValue) throws(Mismatch) -> Value
  ) {
    var schema = schema
    if let type = schema["type"] { schema["type"] = .array([type, .string("null")]) }
    field(name, &value, schema, meaning, remedy: remedy, write: { $0.map(write) ?? .null }) {
      (json) throws(Mismatch) in json == .null ? nil : try read(json)
    }
  }

  // MARK: Reading values

  private static func integer(
    _ json: JSONValue, _ bounds: Bounds<Int>
  ) throws(Mismatch) -> Int {
    let integer: Int
    switch json {
    case .integer(let whole): integer = whole
    case .number(let number):
      // 1e3 is an integer too.
      guard let exact = Int(exactly: number) else { fallthrough }
      integer = exact
    default: throw mismatch("an integer\(bounds.words)", json)
    }
    guard bounds.contains(integer) else {
      throw Mismatch(expected: "an integer\(bounds.words)", found: json)
    }
    return integer
  }

  static func string(
    _ json: JSONValue, canBeEmpty: Bool, isPath: Bool = false
  ) throws(Mismatch) -> String {
    switch json {
    case .string(let text) where canBeEmpty || !text.isEmpty:
      return isPath ? expandingHome(text) : text
    case .string: throw Mismatch(expected: "text that is not empty", found: json)
    case .integer, .number, .flag:
      throw Mismatch(
        expected: "text", found: json, remedy: "Put it in quotes: \"\(json.compactText)\".")
    default: throw Mismatch(expected: "text", found: json)
    }
  }

  /// A value of the wrong type; quotes around the right one are a common slip.
  private static func mismatch(_ expected: String, _ json: JSONValue) -> Mismatch {
    var mismatch = Mismatch(expected: expected, found: json)
    if case .string(let text) = json, let inner = try? JSONValue(parsing: text) {
      switch inner {
      case .integer, .number, .flag: mismatch.remedy = "Remove the quotes."
      default: break
      }
    }
    return mismatch
  }

  /// A list of so many items, in words.
  static func list(_ count: Bounds<Int>, of items: String = "integers") -> String {
    switch (count.minimum ?? 0, count.maximum) {
    case (let minimum, let maximum?): "a list of \(minimum) to \(maximum) \(items)"
    case (0, nil): "a list of \(items)"
    case (let minimum, nil): "a list of at least \(minimum) \(items)"
    }
  }

  private static func integerSchema(_ bounds: Bounds<Int>) -> JSONObject {
    var schema = JSONObject(["type": .string("integer")])
    bounds.describe(in: &schema) { .integer($0) }
    return schema
  }

  static func stringSchema(canBeEmpty: Bool) -> JSONObject {
    var schema = JSONObject(["type": .string("string")])
    if !canBeEmpty { schema["minLength"] = .integer(1) }
    return schema
  }
}

// MARK: - Lists

extension ConfigurationFields {
  /// Declares a list of texts that are not empty.
  public mutating func strings(
    _ name: String, _ value: inout [String], count: Bounds<Int> = .atLeast(0), _ meaning: String,
    remedy: String = ""
  ) {
    var schema = JSONObject([
      "type": .string("array"), "items": .object(Self.stringSchema(canBeEmpty: false)),
    ])
    if let minimum = count.minimum, minimum > 0 { schema["minItems"] = .integer(minimum) }
    field(
      name, &value, schema, meaning, remedy: remedy, write: { .array($0.map(JSONValue.string)) }
    ) { (json) throws(Mismatch) in
      guard case .array(let items) = json, count.contains(items.count) else {
        throw Mismatch(expected: Self.list(count, of: "texts"), found: json)
      }
      var texts: [String] = []
      for (index, item) in items.enumerated() {
        do throws(Mismatch) {
          texts.append(try Self.string(item, canBeEmpty: false))
        } catch {
          var located = error
          located.place = "[\(index)]"
          throw located
        }
      }
      return texts
    }
  }

  /// Declares texts by names of the user's choice.
  public mutating func table(
    _ name: String, _ value: inout [String: String], _ meaning: String, remedy: String = ""
  ) {
    let schema = JSONObject([
      "type": .string("object"),
      "additionalProperties": .object(Self.stringSchema(canBeEmpty: true)),
    ])
    let write = { (table: [String: String]) -> JSONValue in
      var object = JSONObject()
      for (key, text) in table.sorted(by: { $0.key < $1.key }) { object[key] = .string(text) }
      return .object(object)
    }
    field(name, &value, schema, meaning, remedy: remedy, write: write) {
      (json) throws(Mismatch) in
      guard case .object(let object) = json else {
        throw Mismatch(expected: "an object of texts { \"name\": \"text\" }", found: json)
      }
      var table: [String: String] = [:]
      for member in object.members {
        do throws(Mismatch) {
          table[member.key] = try Self.string(member.value, canBeEmpty: true)
        } catch {
          var located = error
          located.place = ".\(member.key)"
          throw located
        }
      }
      return table
    }
  }

  /// Declares a list of objects, each with fields of its own.
  /// - Parameter isRequired: Whether a configuration must give it.
  public mutating func objects<Value: Configurable>(
    _ name: String, _ value: inout [Value], count: Bounds<Int> = .atLeast(0),
    isRequired: Bool = false, _ meaning: String, remedy: String = ""
  ) {
    var items: [JSONObject?] = value.map { _ in nil }
    if let json = input?[name] {
      if case .array(let list) = json, count.contains(list.count) {
        items = []
        value = []
        for (index, item) in list.enumerated() {
          guard case .object(let object) = item else {
            report("\(name)[\(index)]", "expected an object { ... }, found \(item.found)")
            continue
          }
          items.append(object)
          value.append(Value.standard)
        }
      } else {
        report(
          name, "expected \(Self.list(count, of: "objects")), found \(json.found)", remedy: remedy)
      }
    } else if input != nil, isRequired {
      let lastPoint = meaning.hasSuffix(".") ? 1 : 0
      report(name, "missing: \(meaning.dropLast(lastPoint))", remedy: remedy)
    }
    var written: [JSONValue] = []
    for index in value.indices {
      var child = ConfigurationFields(
        path: path(of: "\(name)[\(index)]"), input: items[index], overridden: overridden)
      value[index].declare(&child)
      child.close()
      adopt(child)
      written.append(child.resolved)
    }
    // The schema of one, and the keys that are right inside it.
    var standard = Value.standard
    var described = ConfigurationFields(path: path(of: name), input: nil)
    standard.declare(&described)
    declared += described.declared
    var schema = JSONObject([
      "type": .string("array"),
      "items": .object(described.objectSchema(summary: Value.summary)),
    ])
    if let minimum = count.minimum, minimum > 0 { schema["minItems"] = .integer(minimum) }
    schema["description"] = .string(meaning)
    if isRequired { required.append(name) }
    record(name, .array(written), schema: schema)
  }
}
