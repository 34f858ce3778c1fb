import Configuration
import Testing

/// A small configuration with a field of every kind.
private struct Garden: Configurable {
  enum Season: String, Sendable, CaseIterable { case spring, autumn }

  var name = ""
  var note: String? = nil
  var trees = 3
  var limit: Int?
  var rows = [1, 2]
  var water = 0.5
  var open = true
  var season = Season.spring
  var bed = Bed()
  var fence = Fence.wood(Wood())

  static let summary = "A garden."
  static let standard = Garden()

  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.string("name", &name, isRequired: true, "Its name.", remedy: "Give it one.")
    fields.string("note", &note, "A note.")
    fields.integer("trees", &trees, in: .between(0, 9), "Trees.", remedy: "Plant fewer.")
    fields.integer("limit", &limit, in: .atLeast(1), "A limit.")
    fields.integers("rows", &rows, each: .atLeast(1), count: .between(1, 4), "Rows.")
    fields.number("water", &water, in: .from(0, below: 1), "Water.")
    fields.flag("open", &open, "Whether open.")
    fields.choice("season", &season, "Season.")
    fields.object("bed", &bed, "A bed.")
    fields.object("fence", &fence, "A fence.")
    let trees = trees
    fields.check(
      "bed.length", with: ["trees"], bed.length >= trees, expected: "at least trees = \(trees)",
      remedy: "Lengthen the bed.")
  }
}

private struct Bed: Configurable {
  var length = 5
  static let summary = "A bed."
  static let standard = Bed()
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer("length", &length, in: .atLeast(1), "Length.")
  }
}

private struct Wood: Configurable {
  var height = 1.0
  static let summary = "Of wood."
  static let standard = Wood()
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.number("height", &height, in: .above(0), "Height.")
  }
}

private struct Hedge: Configurable {
  var plants = 10
  static let summary = "Of plants."
  static let standard = Hedge()
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer("plants", &plants, in: .atLeast(1), "Plants.")
  }
}

private enum Fence: Configurable {
  case wood(Wood)
  case hedge(Hedge)
  static let summary = "A fence."
  static let standard = Fence.wood(Wood())
  mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self,
      [
        ConfigurationVariant("wood", Self.wood) { if case .wood(let w) = $0 { w } else { nil } },
        ConfigurationVariant("hedge", Self.hedge) { if case .hedge(let h) = $0 { h } else { nil } },
      ])
  }
}

@Suite struct FieldTests {
  private func problems(_ text: String, _ overrides: [String] = []) -> [ConfigurationProblem] {
    do {
      _ = try Garden.parse(text, overrides: overrides)
      return []
    } catch {
      return error.problems
    }
  }

  @Test func everyKindIsRead() throws {
    let garden = try Garden.parse(
      """
      {"name": "Jardín 庭", "note": "n", "trees": 2e0, "limit": 4, "rows": [3], "water": 0,
       "open": false, "season": "autumn", "bed": {"length": 7},
       "fence": {"type": "hedge", "plants": 2}}
      """)
    #expect(
      garden
        == Garden(
          name: "Jardín 庭", note: "n", trees: 2, limit: 4, rows: [3], water: 0, open: false,
          season: .autumn, bed: Bed(length: 7), fence: .hedge(Hedge(plants: 2))))
    #expect(try Garden.parse(garden.resolved) == garden)
  }

  @Test func whatIsLeftOutIsStandard() throws {
    var expected = Garden()
    expected.name = "a"
    #expect(try Garden.parse(#"{"name": "a"}"#) == expected)
    #expect(try Garden.parse(#"{"name": "a", "fence": {"height": 1}}"#) == expected)
    #expect(try Garden.parse(#"{"name": "a", "note": null, "limit": null}"#) == expected)
  }

  @Test func resolvedTextSaysEverythingInOrder() throws {
    #expect(
      try Garden.parse(#"{"fence": {"type": "hedge"}, "name": "a"}"#).resolved == """
        {
          "name": "a",
          "note": null,
          "trees": 3,
          "limit": null,
          "rows": [1, 2],
          "water": 0.5,
          "open": true,
          "season": "spring",
          "bed": {
            "length": 5
          },
          "fence": {
            "type": "hedge",
            "plants": 10
          }
        }

        """)
  }

  @Test(arguments: [
    (#"{}"#, "name", "missing: Its name", "Give it one."),
    (#"{"name": ""}"#, "name", "expected text that is not empty, found \"\"", "Give it one."),
    (#"{"name": 5}"#, "name", "expected text, found 5", "Put it in quotes: \"5\"."),
    (#"{"name": null}"#, "name", "expected text, found null", "Give it one."),
    (#"{"name": "a", "note": []}"#, "note", "expected text, found []", ""),
    (
      #"{"name": "a", "trees": 10}"#, "trees", "expected an integer from 0 to 9, found 10",
      "Plant fewer."
    ),
    (
      #"{"name": "a", "trees": 1.5}"#, "trees", "expected an integer from 0 to 9, found 1.5",
      "Plant fewer."
    ),
    (
      #"{"name": "a", "trees": true}"#, "trees", "expected an integer from 0 to 9, found true",
      "Plant fewer."
    ),
    (
      #"{"name": "a", "trees": "3"}"#, "trees", "expected an integer from 0 to 9, found \"3\"",
      "Remove the quotes."
    ),
    (#"{"name": "a", "limit": 0}"#, "limit", "expected an integer of at least 1, found 0", ""),
    (#"{"name": "a", "rows": []}"#, "rows", "expected a list of 1 to 4 integers, found []", ""),
    (#"{"name": "a", "rows": 3}"#, "rows", "expected a list of 1 to 4 integers, found 3", ""),
    (
      #"{"name": "a", "rows": [1, 0]}"#, "rows[1]", "expected an integer of at least 1, found 0",
      ""
    ),
    (
      #"{"name": "a", "water": 1}"#, "water", "expected a number from 0.0 to below 1.0, found 1",
      ""
    ),
    (#"{"name": "a", "open": 1}"#, "open", "expected true or false, found 1", ""),
    (
      #"{"name": "a", "open": "true"}"#, "open", "expected true or false, found \"true\"",
      "Remove the quotes."
    ),
    (
      #"{"name": "a", "season": "sprnig"}"#, "season",
      "expected \"spring\" or \"autumn\", found \"sprnig\"", "Did you mean \"spring\"?"
    ),
    (#"{"name": "a", "bed": 5}"#, "bed", "expected an object { ... }, found 5", ""),
    (
      #"{"name": "a", "fence": {"type": "wod"}}"#, "fence.type",
      "expected \"wood\" or \"hedge\", found \"wod\"", "Did you mean \"wood\"?"
    ),
    (
      #"{"name": "a", "fence": {"height": 0.0}}"#, "fence.height",
      "expected a number above 0.0, found 0.0", ""
    ),
    (
      #"{"name": "a", "trees": 6}"#, "bed.length", "expected at least trees = 6, found 5",
      "Lengthen the bed."
    ),
  ])
  func wrongValuesAreExplained(text: String, key: String, message: String, remedy: String) {
    let problems = problems(text)
    #expect(problems.count == 1)
    #expect(problems.first?.key == key)
    #expect(problems.first?.message == message)
    #expect(problems.first?.remedy == remedy)
  }

  @Test(arguments: [
    (#"{"name": "a", "tress": 1}"#, "tress", "Did you mean \"trees\"?"),
    (#"{"name": "a", "Trees": 1}"#, "Trees", "Did you mean \"trees\"?"),
    (#"{"name": "a", "bed": {"lenght": 1}}"#, "bed.lenght", "Did you mean \"length\"?"),
    (#"{"name": "a", "length": 1}"#, "length", "Did you mean \"bed.length\"?"),
    (#"{"name": "a", "plants": 1}"#, "plants", "Did you mean \"fence.plants\"?"),
    (#"{"name": "a", "bed": {"xyz": 1}}"#, "bed.xyz", "Valid keys here: length."),
    (
      #"{"name": "a", "fence": {"type": "wood", "plants": 1}}"#, "fence.plants",
      "It belongs to type \"hedge\": remove it, or set the object around it as a whole."
    ),
  ])
  func unknownKeysGetTheNearest(text: String, key: String, remedy: String) {
    let problems = problems(text)
    #expect(problems.count == 1)
    #expect(problems.first?.key == key)
    #expect(problems.first?.message == "unknown key")
    #expect(problems.first?.remedy == remedy)
  }

  @Test func allProblemsComeAtOnceInTheOrderOfTheText() {
    let text = """
      {
        "open": 0,
        "trees": -1,
        "bed": {
          "lenght": 4
        },
        "water": "x"
      }
      """
    let problems = problems(text, ["limit=-5"])
    #expect(problems.map(\.key) == ["name", "limit", "open", "trees", "bed.lenght", "water"])
    #expect(
      problems.map(\.place) == [nil, "--set", "line 2", "line 3", "line 5", "line 7"])
  }

  @Test func overridesGoBeforeTheText() throws {
    let garden = try Garden.parse(
      #"{"name": "a", "trees": 1}"#,
      overrides: ["trees=2", "trees=4", "name=b=c", "fence={\"type\": \"hedge\"}", "bed.length=8"])
    #expect(garden.trees == 4)
    #expect(garden.name == "b=c")
    #expect(garden.fence == .hedge(Hedge()))
    #expect(garden.bed.length == 8)
  }

  @Test(arguments: [
    ("tress=1", "tress", "Did you mean \"trees\"?"),
    ("bed.lenth=1", "bed.lenth", "Did you mean \"length\"?"),
    ("trees", "", "Write for example --set training.steps=500."),
    ("=1", "", "Write for example --set training.steps=500."),
    ("name.first=x", "name", "Set name as a whole."),
  ])
  func wrongOverridesAreExplained(override: String, key: String, remedy: String) {
    let problems = problems(#"{"name": "a"}"#, [override])
    #expect(problems.count == 1)
    #expect(problems.first?.key == key)
    #expect(problems.first?.place == "--set")
    #expect(problems.first?.remedy == remedy)
  }

  @Test func valuesMadeInCodeAreCheckedToo() {
    #expect(throws: Never.self) { try Garden(name: "a").validate() }
    let error = #expect(throws: ConfigurationError.self) {
      try Garden(name: "", water: .nan, bed: Bed(length: 0)).validate()
    }
    #expect(error?.problems.map(\.key) == ["name", "water", "bed.length"])
  }

  @Test func theSchemaSaysWhatTheReaderAccepts() {
    #expect(
      Bed.schema() == """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "description": "A bed.",
          "type": "object",
          "properties": {
            "length": {
              "type": "integer",
              "minimum": 1,
              "description": "Length.",
              "default": 5
            }
          },
          "additionalProperties": false
        }

        """)
    #expect(
      Fence.schema() == """
        {
          "$schema": "https://json-schema.org/draft/2020-12/schema",
          "description": "A fence.",
          "oneOf": [
            {
              "description": "Of wood.",
              "type": "object",
              "properties": {
                "type": {
                  "const": "wood",
                  "default": "wood"
                },
                "height": {
                  "type": "number",
                  "exclusiveMinimum": 0.0,
                  "description": "Height.",
                  "default": 1.0
                }
              },
              "additionalProperties": false
            },
            {
              "description": "Of plants.",
              "type": "object",
              "properties": {
                "type": {
                  "const": "hedge"
                },
                "plants": {
                  "type": "integer",
                  "minimum": 1,
                  "description": "Plants.",
                  "default": 10
                }
              },
              "additionalProperties": false,
              "required": ["type"]
            }
          ]
        }

        """)
  }

  @Test func errorsReadAsSentences() {
    let one = #expect(throws: ConfigurationError.self) {
      try Garden.parse("{\n\"name\": \"a\",\n\"tress\": 1}", file: "garden.json")
    }
    #expect(
      one.map { "\($0)" } == "garden.json: line 3: tress: unknown key. Did you mean \"trees\"?")
    let two = #expect(throws: ConfigurationError.self) {
      try Garden.parse("{\"trees\": 1, \"open\": 2}")
    }
    #expect(
      two.map { "\($0)" } == """
        configuration: 2 problems
          name: missing: Its name. Give it one.
          line 1: open: expected true or false, found 2.
        """)
    let syntax = #expect(throws: ConfigurationError.self) { try Garden.parse("{\n \"name\" }") }
    #expect(syntax?.kind == .syntax)
    #expect(syntax?.problems.first?.place == "line 2, column 9")
    let list = #expect(throws: ConfigurationError.self) { try Garden.parse("[]") }
    #expect(list?.problems.first?.message == "expected an object { ... }, found []")
  }
}
