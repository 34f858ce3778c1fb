import Files

extension JSONValue {
  /// The value with one key of it replaced.
  ///
  /// - Parameters:
  ///   - path: Names of nested keys with points between them, as in `training.steps`. Objects that
  ///     are missing on the way are made.
  ///   - text: JSON, or where it is not JSON the text itself as a string.
  public func setting(path: String, to text: String) throws(ConfigurationError) -> JSONValue {
    let keys = path.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard !keys.contains("") else {
      throw Self.overrideError(
        "", "expected key.path=value, found \"\(path)=\(text)\"",
        "Write for example --set training.steps=500.")
    }
    guard keys.count <= JSONParser.deepest else {
      throw Self.overrideError(
        "",
        "expected at most \(JSONParser.deepest) keys with points between them, found "
          + "\(keys.count)", "Write for example --set training.steps=500.")
    }
    let value = (try? JSONValue(parsing: text)) ?? .string(text)
    return try setting(keys[...], to: value, under: "")
  }

  private func setting(
    _ keys: ArraySlice<String>, to value: JSONValue, under parent: String
  ) throws(ConfigurationError) -> JSONValue {
    guard let key = keys.first else { return value }
    guard case .object(var object) = self else {
      throw Self.overrideError(
        parent, "expected an object to set \"\(key)\" in, found \(found)",
        "Set \(parent.isEmpty ? "a key" : parent) as a whole.")
    }
    let path = parent.isEmpty ? key : "\(parent).\(key)"
    let old = object[key] ?? (keys.count > 1 ? .object(JSONObject()) : .null)
    object[key] = try old.setting(keys.dropFirst(), to: value, under: path)
    return .object(object)
  }

  fileprivate static func overrideError(
    _ key: String, _ message: String, _ remedy: String
  ) -> ConfigurationError {
    ConfigurationError(
      kind: .invalid, file: nil,
      problems: [
        ConfigurationProblem(key: key, place: "--set", message: message, remedy: remedy)
      ])
  }
}

extension JSONDocument {
  /// Applies one `key.path=value`, and remembers that the key no longer comes from the text.
  mutating func apply(override: String) throws(ConfigurationError) {
    guard let equals = override.firstIndex(of: "=") else {
      throw JSONValue.overrideError(
        "", "expected key.path=value, found \"\(override)\"",
        "Write for example --set training.steps=500.")
    }
    let path = String(override[..<equals])
    value = try value.setting(path: path, to: String(override[override.index(after: equals)...]))
    overridden.insert(path)
  }

  /// Stands for a line where a key was set from outside the text.
  private static let outside = 0

  /// Where a key stands, or else the nearest object around it.
  func place(of key: String) -> String? {
    line(of: key).map { $0 == Self.outside ? "--set" : "line \($0)" }
  }

  /// The line of a key, or else of the nearest object around it; what was set from outside comes first.
  func line(of key: String) -> Int? {
    var key = key[...]
    if overridden.contains(where: { key == $0 || isKey(String(key), inside: $0) }) {
      return Self.outside
    }
    while true {
      if let line = lines[KeyLines.Path(key)] { return line }
      guard let end = key.lastIndex(where: { $0 == "." || $0 == "[" }) else { return nil }
      key = key[..<end]
    }
  }
}

/// Whether a key is part of the value of another: `a.b` and `a[0]` are inside `a`.
func isKey(_ key: String, inside outer: String) -> Bool {
  key.hasPrefix(outer + ".") || key.hasPrefix(outer + "[")
}
