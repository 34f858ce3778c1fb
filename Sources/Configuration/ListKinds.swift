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
