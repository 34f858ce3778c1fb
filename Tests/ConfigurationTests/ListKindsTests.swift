import Configuration
import Testing

private struct Orchard: Configurable {
  var trees: [Tree] = []
  var tools: [String] = []
  var signs: [String: String] = [:]
  var seasons: Set<Season> = []
  static let summary = "An orchard."
  static let standard = Orchard()
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.objects(
      "trees", &trees, count: .atLeast(1), isRequired: true, "Its trees.", remedy: "Plant one.")
    fields.strings("tools", &tools, "Tools.")
    fields.table("signs", &signs, "Signs.")
    fields.choices("seasons", &seasons, "When it is open.")
  }
}

private enum Season: String, CaseIterable {
  case spring, summer, autumn
}

private struct Tree: Configurable {
  var kind = ""
  var height = 1
  static let summary = "A tree."
  static let standard = Tree()
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("kind", &kind, isRequired: true, "Its kind.")
    fields.integer("height", &height, in: .atLeast(1), "Its height.")
  }
}

/// Lists of texts and of objects, and texts by name.
@Suite struct ListKindsTests {
  private func problems(_ text: String) -> [String] {
    do {
      _ = try Orchard.parse(text)
      return []
    } catch {
      return error.problems.map(\.description)
    }
  }

  @Test func listsAreReadAndWrittenBack() throws {
    let orchard = try Orchard.parse(
      #"{"trees": [{"kind": "oak"}, {"kind": "ash", "height": 3}], "tools": ["saw"], "#
        + #""signs": {"b": "exit", "a": ""}, "seasons": ["autumn", "spring", "autumn"]}"#)
    #expect(orchard.trees.map(\.kind) == ["oak", "ash"])
    #expect(orchard.trees.map(\.height) == [1, 3])
    #expect(orchard.tools == ["saw"])
    #expect(orchard.signs == ["a": "", "b": "exit"])
    #expect(orchard.seasons == [.spring, .autumn])
    #expect(try Orchard.parse(orchard.resolved) == orchard)
    // Their order is that of the cases, so that equal sets are equal texts.
    let written = orchard.resolved.filter { !$0.isWhitespace }
    #expect(written.contains(#""seasons":["spring","autumn"]"#), "\(written)")
  }

  @Test(arguments: [
    (#"{}"#, "trees: missing: Its trees. Plant one."),
    (
      #"{"trees": []}"#,
      "line 1: trees: expected a list of at least 1 objects, found []. Plant one."
    ),
    (#"{"trees": 3}"#, "line 1: trees: expected a list of at least 1 objects, found 3. Plant one."),
    (#"{"trees": [3]}"#, "line 1: trees[0]: expected an object { ... }, found 3."),
    (#"{"trees": [{}]}"#, "line 1: trees[0].kind: missing: Its kind."),
    (
      #"{"trees": [{"kind": "a"}, {"kind": "b", "height": 0}]}"#,
      "line 1: trees[1].height: expected an integer of at least 1, found 0."
    ),
    (
      #"{"trees": [{"kind": "a", "hieght": 2}]}"#,
      "line 1: trees[0].hieght: unknown key. Did you mean \"height\"?"
    ),
    (
      #"{"trees": [{"kind": "a"}], "tools": "saw"}"#,
      "line 1: tools: expected a list of texts, found \"saw\"."
    ),
    (
      #"{"trees": [{"kind": "a"}], "tools": ["saw", 3]}"#,
      "line 1: tools[1]: expected text, found 3. Put it in quotes: \"3\"."
    ),
    (
      #"{"trees": [{"kind": "a"}], "signs": {"x": 1}}"#,
      "line 1: signs.x: expected text, found 1. Put it in quotes: \"1\"."
    ),
    (
      #"{"trees": [{"kind": "a"}], "signs": []}"#,
      "line 1: signs: expected an object of texts { \"name\": \"text\" }, found []."
    ),
  ])
  func whatIsWrongIsNamedWithItsPlace(_ text: String, _ problem: String) {
    #expect(problems(text).contains(problem), "\(problems(text))")
  }

  @Test func theSchemaDescribesThem() throws {
    let schema = Orchard.schema()
    #expect(schema.contains("\"minItems\": 1"))
    #expect(schema.contains("\"A tree.\""))
    #expect(
      Orchard.keys.map(\.path)
        == ["trees", "trees[].kind", "trees[].height", "tools", "signs", "seasons"])
    #expect(Orchard.keys.last?.kind == #"list of "spring", "summer", "autumn""#)
  }
}
