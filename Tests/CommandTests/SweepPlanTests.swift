import Commands
import Configuration
import FileTestSupport
import Foundation
import Testing

/// Plans of sweeps: which runs they list, and what is wrong with them.
@Suite struct SweepPlanTests {
  private let variants = #""variants": [{"name": "a b", "set": ["x={codes}"]}, {"name": "c"}]"#
  private let sizes = #""sizes": [{"name": "64", "values": {"codes": "64"}}]"#

  private func problems(_ text: String) -> String {
    do {
      _ = try SweepPlan.parse(text, file: "plan.json")
      return ""
    } catch {
      return error.description
    }
  }

  @Test func runsAreVariantsTimesSizesTimesSeeds() throws {
    let plan = try SweepPlan.parse(
      #"{"config": "fsq", "set": ["training.steps=5"], "seeds": [3, 4], \#(variants), \#(sizes)}"#)
    #expect(plan.runs.map(\.name) == ["a_b-64-3", "c-64-3", "a_b-64-4", "c-64-4"])
    #expect(
      plan.runs[0].overrides == ["training.steps=5", "x=64", "training.seed=3"])
    let plain = try SweepPlan.parse(#"{"config": "fsq", "variants": [{"name": "v"}]}"#)
    #expect(plain.runs.map(\.name) == ["v-0"])
    #expect(plain.runs[0].overrides == ["training.seed=0"])
  }

  @Test(arguments: [
    (#"{"variants": [{"name": "v"}]}"#, "config: missing"),
    (#"{"config": "fsq"}"#, "variants: missing: What is compared. List at least one"),
    (#"{"config": "fsq", "variants": []}"#, "a list of at least 1 objects, found []"),
    (#"{"config": "fsq", "variants": [{"set": []}]}"#, "variants[0].name: missing"),
    (#"{"config": "fsq", "variants": [{"name": "v"}], "seed": [1]}"#, "Did you mean \"seeds\"?"),
    (#"{"config": "fsq", "variants": [{"name": "v"}], "seeds": [1, 1]}"#, "different seeds"),
    (#"{"config": "fsq", "variants": [{"name": "v"}], "seeds": [-1]}"#, "seeds[0]: expected"),
    (#"{"config": "fsq", "variants": [{"name": "v"}], "seeds": []}"#, "at least 1 integers"),
    (
      #"{"config": "fsq", "variants": [{"name": "v 1"}, {"name": "v_1"}]}"#,
      "different folder names (two are v_1-0)"
    ),
    (#"{"config": "fsq", "variants": [{"name": "v", "set": ["lr"]}]}"#, "(one is \"lr\")"),
    (
      #"{"config": "fsq", "variants": [{"name": "v", "set": ["a={codes}"]}]}"#,
      "a value of {codes} in every size"
    ),
    (
      #"{"config": "fsq", "variants": [{"name": "v", "sets": ["a=1"]}]}"#,
      "variants[0].sets: unknown key. Did you mean \"set\"?"
    ),
  ])
  func whatIsWrongIsNamed(_ text: String, _ words: String) {
    #expect(problems(text).contains(words), "\(problems(text))")
  }

  @Test func everyRunsConfigurationIsChecked() throws {
    let plan = try SweepPlan.parse(
      #"{"config": "fsq", "variants": [{"name": "v"}, {"name": "w", "set": ["lr=1"]}]}"#)
    let failure = #expect(throws: Failure.self) { try plan.check() }
    #expect(failure?.code == .badData)
    #expect(failure?.description.hasPrefix("run w-0: ") == true)
    #expect(failure?.description.contains("training.optimizer.learningRate") == true)
  }

  @Test func thePlansThatAreThereAreValid() throws {
    #expect(
      try String(
        contentsOf: CommandRunner.repository.appendingPathComponent("configs/sweep.schema.json"),
        encoding: .utf8)
        == SweepPlan.schema(), "regenerate: sweep --print-schema > configs/sweep.schema.json")
    for folder in ["configs/sweeps", "Benchmarks/studies"] {
      let path = CommandRunner.repository.appendingPathComponent(folder).path
      let files = try FileManager.default.contentsOfDirectory(atPath: path)
        .filter { $0.hasSuffix(".json") }
      #expect(!files.isEmpty)
      for file in files {
        let plan = try SweepPlan.load(path: path + "/" + file)
        #expect(!plan.runs.isEmpty)
        if folder == "configs/sweeps" { #expect(throws: Never.self) { try plan.check() } }
      }
    }
  }
}
