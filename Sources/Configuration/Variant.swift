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
