import Files
import Configuration
import Testing
import Training

/// The list of all keys.
@Suite struct ConfigurationKeyTests {
  private let keys = RunConfiguration.keys

  private func key(_ path: String) -> [ConfigurationKey] { keys.filter { $0.path == path } }

  @Test func aKeyTellsWhatItAcceptsAndItsDefault() {
    #expect(key("training.steps").map(\.kind) == ["integer ≥ 1, ≤ 1000000000000"])
    #expect(key("training.steps").first?.standard == "1000")
    #expect(key("training.steps").first?.meaning.isEmpty == false)
    #expect(key("data.train").first?.standard == nil)
    #expect(key("data.train").first?.kind == "text")
    #expect(key("data.validation").first?.kind == "text, null")
    #expect(key("model.channels").first?.kind.hasPrefix("list of integer") == true)
    #expect(key("model.channels").first?.standard == "[64, 128]")
    #expect(key("training.optimizer.epsilon").first?.kind == "number > 0.0")
    #expect(key("data.flip").first?.kind == "true, false")
  }

  @Test func typesAreListedAndKeysNameTheirs() {
    #expect(key("quantizer.type").first?.kind.contains("\"bsq\"") == true)
    #expect(key("quantizer.type").first?.standard == nil)
    #expect(key("training.schedule.type").first?.standard == "\"constant\"")
    #expect(key("training.schedule.finalShare").first?.types == ["linear", "cosine"])
    #expect(
      key("training.schedule.warmup").first?.types == [
        "constant", "linear", "cosine", "inverseSquareRoot",
      ])
    #expect(key("quantizer.levels").contains { $0.types.contains("fsq") })
  }

  /// Every key can be set to its own default, each in a configuration of its type.
  @Test func everyKeyIsOneThatCanBeSet() throws {
    for key in keys where key.path != "$schema" {
      guard let standard = key.standard else { continue }
      let parts = key.path.split(separator: ".")
      let object = parts.dropLast().joined(separator: ".")
      var overrides = ["data.train=d", "quantizer.type=fsq"]
      if let type = key.types.first { overrides.append("\(object).type=\(type)") }
      overrides.append("\(key.path)=\(standard)")
      #expect(throws: Never.self, "\(key)") {
        try RunConfiguration.parse("{}", overrides: overrides)
      }
    }
  }

  /// Everything that a resolved configuration holds is listed.
  @Test func everyKeyOfAResolvedConfigurationIsListed() throws {
    let run = try RunConfiguration.parse(#"{"data": {"train": "d"}, "quantizer": {"type": "vq"}}"#)
    var missing: [String] = []
    func walk(_ value: JSONValue, _ path: String) {
      if case .object(let object) = value {
        for member in object.members {
          walk(member.value, path.isEmpty ? member.key : "\(path).\(member.key)")
        }
      } else if key(path).isEmpty {
        missing.append(path)
      }
    }
    walk(try JSONValue(parsing: run.resolved), "")
    #expect(missing.isEmpty, "\(missing)")
  }
}
