import Files
import Configuration
import Testing

@Suite struct JSONTests {
  @Test func numbersFlagsAndTextsStayApart() throws {
    let value = try JSONValue(parsing: #"[1, 1.0, true, "1", null, -0.5e-3, 9007199254740993]"#)
    #expect(
      value
        == .array([
          .integer(1), .number(1), .flag(true), .string("1"), .null, .number(-0.0005),
          .integer(9_007_199_254_740_993),
        ]))
  }

  @Test func integersBeyond64BitsBecomeNumbers() throws {
    #expect(try JSONValue(parsing: "9223372036854775807") == .integer(.max))
    #expect(try JSONValue(parsing: "9223372036854775808") == .number(9_223_372_036_854_775_808))
  }

  @Test func escapesAndUnicodeAreRead() throws {
    let value = try JSONValue(parsing: #""a\"\\\/\n\t\u00e9\ud83d\ude00 図""#)
    #expect(value == .string("a\"\\/\n\té😀 図"))
  }

  @Test func objectsKeepTheirOrder() throws {
    guard case .object(let object) = try JSONValue(parsing: #"{"z": 1, "a": {}, "m": []}"#) else {
      Issue.record("not an object")
      return
    }
    #expect(object.keys == ["z", "a", "m"])
    #expect(object["a"] == .object(JSONObject()))
    #expect(object["b"] == nil)
  }

  @Test func aByteOrderMarkIsSkipped() throws {
    #expect(try JSONValue(parsing: "\u{FEFF}[]") == .array([]))
  }

  @Test(arguments: [
    #"{"b": [1, 2.5, 1e-8, 1e300], "a": {"x": null, "y": []}, "é図": "\u0001\n\"\\"}"#,
    "[[1, [2]], {}, {\"a\": [{}]}]", "-0.0", "0.1", "5e-324", "\"\"",
  ])
  func writingAndReadingGivesTheSame(text: String) throws {
    let value = try JSONValue(parsing: text)
    #expect(try JSONValue(parsing: value.prettyText) == value)
    #expect(try JSONValue(parsing: value.compactText) == value)
  }

  @Test func prettyTextKeepsPlainListsOnOneLine() throws {
    let value = try JSONValue(parsing: #"{"a":[1,2],"b":{"c":1e-08},"d":{}}"#)
    #expect(
      value.prettyText == """
        {
          "a": [1, 2],
          "b": {
            "c": 1e-8
          },
          "d": {}
        }
        """)
  }

  @Test(arguments: [
    ("", 1, 1, "found the end of the file"),
    ("{\n  \"a\": 1,\n}", 2, 9, "a comma before \"}\""),
    ("{\n  \"é\": 1,\n  \"é\": 2\n}", 3, 3, "appears twice in one object (first on line 2)"),
    ("{\"é図\": tru}", 1, 8, "found tru"),
    ("{\"a\": .5}", 1, 7, "expected a value"),
    ("{\"a\": 01}", 1, 7, "does not begin with 0"),
    ("{\"a\": 1.}", 1, 9, "after the point"),
    ("{\"a\": 1e}", 1, 9, "exponent"),
    ("{\"a\": -}", 1, 8, "a digit"),
    ("{\"a\": 1e999}", 1, 7, "too large"),
    ("{\"a\": NaN}", 1, 7, "found NaN"),
    ("{\"a\" 1}", 1, 6, "expected \":\" after the key \"a\""),
    ("{a: 1}", 1, 2, "a key in double quotes"),
    ("[1 2]", 1, 4, "expected \",\" or \"]\""),
    ("[\n1,\n2", 3, 2, "to close what opens on line 1"),
    ("{\"a\": \"x", 1, 7, "never closed"),
    ("\"a\nb\"", 1, 3, "a line ends inside a string"),
    ("\"\\x\"", 1, 2, "unknown escape"),
    ("\"\\ud800\"", 1, 2, "half a surrogate pair"),
    ("\"\\ud800\\u0041\"", 1, 2, "half a surrogate pair"),
    ("\"\\u+123\"", 1, 2, "four hexadecimal digits"),
    ("{}\n{}", 2, 1, "expected the end of the file"),
    ("{ // remark\n}", 1, 3, "no comments"),
  ])
  func syntaxErrorsNameThePlace(text: String, line: Int, column: Int, message: String) {
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
    #expect(error?.line == line)
    #expect(error?.column == column)
    #expect(error?.message.contains(message) == true, "\(error?.message ?? "")")
  }

  @Test func deepNestingIsRefusedWithoutACrash() {
    let text = String(repeating: "[", count: 1_000_000)
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: text) }
    #expect(error?.message.contains("nested more than 128 deep") == true)
  }

  @Test func settingReplacesOneKey() throws {
    let value = try JSONValue(parsing: #"{"a": {"b": 1, "c": 2}, "d": 3}"#)
    func text(_ path: String, _ new: String) throws -> String {
      try value.setting(path: path, to: new).compactText
    }
    #expect(try text("a.b", "500") == #"{"a": {"b": 500, "c": 2}, "d": 3}"#)
    #expect(try text("a.b", "[1, 2]") == #"{"a": {"b": [1, 2], "c": 2}, "d": 3}"#)
    #expect(try text("a.b", "some/folder") == #"{"a": {"b": "some/folder", "c": 2}, "d": 3}"#)
    #expect(try text("a.b", "") == #"{"a": {"b": "", "c": 2}, "d": 3}"#)
    #expect(try text("e.f", "true") == #"{"a": {"b": 1, "c": 2}, "d": 3, "e": {"f": true}}"#)
    let error = #expect(throws: ConfigurationError.self) { try text("d.e", "1") }
    #expect(error?.problems.first?.key == "d")
    #expect(throws: ConfigurationError.self) { try text("a..b", "1") }
    #expect(throws: ConfigurationError.self) { try text("", "1") }
  }

  @Test func manyKeysAreKeptInOrderAndFound() throws {
    let count = 100_000
    let text = "{" + (0..<count).map { "\"key\($0)\": \($0)" }.joined(separator: ",") + "}"
    guard case .object(var object) = try JSONValue(parsing: text) else {
      Issue.record("no object")
      return
    }
    #expect(object.members.count == count)
    #expect(object["key77777"] == .integer(77_777) && object["key"] == nil)
    object["key0"] = nil
    object["new"] = .null
    #expect(object["key0"] == nil && object["key1"] == .integer(1) && object["new"] == .null)
    #expect(object.keys.first == "key1" && object.keys.last == "new")
    let twice = text.dropLast() + ", \"key5\": 1}"
    let error = #expect(throws: JSONSyntaxError.self) { try JSONValue(parsing: String(twice)) }
    #expect(error?.message.contains("appears twice in one object (first on line 1)") == true)
  }

  @Test func aPathOfManyKeysIsRefusedWithoutACrash() throws {
    let value = try JSONValue(parsing: "{}")
    let long = Array(repeating: "a", count: 200_000).joined(separator: ".")
    let error = #expect(throws: ConfigurationError.self) { try value.setting(path: long, to: "1") }
    #expect(error?.problems.first?.message.contains("found 200000") == true)
    let deep = Array(repeating: "a", count: 128).joined(separator: ".")
    #expect(throws: Never.self) { try value.setting(path: deep, to: "1") }
  }
}
