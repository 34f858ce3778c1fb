import Configuration
import Datasets
import Foundation
import Testing
import Tokenizers
import Training

/// `--set quantizer.type=...` over a file of another type.
@Suite struct TypeChangeTests {
  private let text = """
    {
      "data": {"train": "d"},
      "quantizer": {"type": "fsq", "levels": [8, 5, 5, 5], "bound": "ifsq"},
      "training": {
        "optimizer": {"type": "adamw", "learningRate": 0.01, "weightDecay": 0.1, "beta2": 0.95},
        "schedule": {"type": "cosine", "warmup": 7, "finalShare": 0.2}
      }
    }
    """

  private func parse(_ overrides: String...) throws -> (run: RunConfiguration, notices: [String]) {
    var notices: [String] = []
    let run = try RunConfiguration.parse(text, overrides: overrides) { notices.append($0) }
    return (run, notices)
  }

  @Test func keysOfTheOtherTypeAreDroppedAndTold() throws {
    let (run, notices) = try parse("quantizer.type=vq", "quantizer.codebookSize=99")
    #expect(run.quantizer.kind == "vq")
    #expect(run.quantizer.codebookSize == 99)
    #expect(notices.count == 2)
    #expect(notices.contains { $0.hasPrefix("quantizer.levels belongs to type \"fsq\"") })
    #expect(notices.contains { $0.hasPrefix("quantizer.bound belongs to") })
  }

  @Test func keysThatBothTypesHaveStay() throws {
    let (run, notices) = try parse("training.optimizer.type=sgd", "training.schedule.type=constant")
    guard case .sgd(let sgd) = run.training.optimizer else {
      Issue.record("\(run.training.optimizer)")
      return
    }
    #expect(sgd.learningRate == 0.01)
    #expect(sgd.weightDecay == 0.1)
    #expect(run.training.schedule == .constant(WarmupConfiguration(warmup: 7)))
    #expect(notices.count == 2, "\(notices)")
  }

  @Test func theSameTypeDropsNothing() throws {
    let (run, notices) = try parse("quantizer.type=fsq")
    #expect(run.quantizer.codebookSize == 1000)
    #expect(notices.isEmpty)
  }

  @Test func aKeyThatIsSetForAnotherTypeIsRefused() {
    for overrides in [
      ["quantizer.type=vq", "quantizer.levels=[3,3]"],
      ["quantizer.levels=[3,3]", "quantizer.type=vq"],
      [#"quantizer={"type": "vq", "levels": [3, 3]}"#],
    ] {
      let error = #expect(throws: ConfigurationError.self) {
        try RunConfiguration.parse(text, overrides: overrides)
      }
      #expect(error?.problems.first?.key == "quantizer.levels")
      #expect(error?.problems.first?.remedy.contains("It belongs to type \"fsq\"") == true)
    }
  }

  @Test func aFileThatMixesTypesIsRefused() {
    let mixed = #"{"data": {"train": "d"}, "quantizer": {"type": "vq", "levels": [3, 3]}}"#
    #expect(throws: ConfigurationError.self) { try RunConfiguration.parse(mixed) }
  }

  @Test func aMisspeltKeyIsNotDropped() {
    let misspelt = text.replacingOccurrences(of: "\"bound\"", with: "\"bnd\"")
    #expect(throws: ConfigurationError.self) {
      try RunConfiguration.parse(misspelt, overrides: ["quantizer.type=vq"])
    }
  }

  @Test func l1AndL2AreReadAsLosses() throws {
    #expect(
      try parse("training.reconstructionLoss=l1").run.training.reconstructionLoss == .absolute)
    #expect(try parse("training.reconstructionLoss=l2").run.training.reconstructionLoss == .squared)
    #expect(try parse("training.reconstructionLoss=l1").run.resolved.contains("\"absolute\""))
  }

  @Test func theHomeFolderIsExpandedInPaths() throws {
    let home = try #require(ProcessInfo.processInfo.environment["HOME"])
    let (run, _) = try parse("data.train=~/photos", "data.validation=~", "description=~/a")
    #expect(run.data.train == home + "/photos")
    #expect(run.data.validation == home)
    #expect(run.description == "~/a")
    #expect(
      try parse("data.train=~nobody-of-this-name/x").run.data.train == "~nobody-of-this-name/x")
    #expect(try parse("data.train=./~/x").run.data.train == "./~/x")
    #expect(expandingHome("a~/b") == "a~/b")
  }
}
