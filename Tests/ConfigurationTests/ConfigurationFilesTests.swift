import Files
import Autodiff
import Configuration
import Datasets
import FileTestSupport
import Foundation
import Testing
import Tokenizers
import Training

/// The folder of configurations at the root of the repository.
private let folder = CommandRunner.repository.appendingPathComponent("configs")

/// Every configuration in it, by file name.
private let names: [String] =
  ((try? FileManager.default.contentsOfDirectory(atPath: folder.path)) ?? [])
  .filter { $0.hasSuffix(".json") && !$0.hasSuffix(".schema.json") }.sorted()

@Suite struct ConfigurationFilesTests {
  @Test func theConfigurationsUsersTypeFirstAreThere() {
    #expect(Set(names).isSuperset(of: ["fsq.json", "vq.json"]))
  }

  @Test(arguments: names)
  func everyConfigurationIsValid(name: String) throws {
    let path = folder.appendingPathComponent(name).path
    let text = try String(contentsOfFile: path, encoding: .utf8)
    func check<Run: TrainedRun>(_ kind: Run.Type, _ schema: String) throws {
      let run = try Run.load(path: path)
      #expect(try Run.parse(run.resolved) == run)
      #expect(text.contains("\"$schema\": \"\(schema)\""))
      #expect(text.contains("\"description\": \"") && run.training.steps > 0)
    }
    let kind = RunKind.allCases.first { text.contains("\"kind\": \"\($0.rawValue)\"") }
    switch kind ?? .tokenizer {
    case .tokenizer, .model: try check(RunConfiguration.self, "tessera.schema.json")
    case .prior: try check(PriorRunConfiguration.self, "prior.schema.json")
    case .continuous: try check(ContinuousRunConfiguration.self, "continuous.schema.json")
    case .solver: try check(SolverRunConfiguration.self, "solver.schema.json")
    }
  }

  /// The schemas of other kinds are what the program prints.
  @Test func theSchemasOfOtherKindsAreUpToDate() throws {
    for (name, schema) in [
      ("prior", PriorRunConfiguration.schema()),
      ("continuous", ContinuousRunConfiguration.schema()),
      ("solver", SolverRunConfiguration.schema()),
    ] {
      let path = folder.appendingPathComponent(name + ".schema.json").path
      #expect(try String(contentsOfFile: path, encoding: .utf8) == schema, "\(name)")
    }
  }

  /// The networks that other implementations are measured against, to the last parameter.
  @Test(arguments: [
    ("bench-tiny", 622_479, 64, 32, 16), ("bench-small", 10_220_911, 16, 64, 16),
    ("bench-vqgan", 15_623_791, 4, 128, 16),
  ])
  func theBenchmarksAreTheNetworksTheySay(
    name: String, parameters: Int, batch: Int, imageSize: Int, grid: Int
  ) throws {
    let run = try RunConfiguration.load(path: folder.appendingPathComponent(name + ".json").path)
    let graph = Graph()
    _ = Tokenizer(run.tokenizer, in: Scope(graph))
    #expect(graph.parameters.reduce(0) { $0 + $1.shape.count } == parameters)
    #expect(run.training.batchSize == batch)
    #expect(run.data.imageSize == imageSize)
    #expect(run.data.imageSize / run.model.downsampling == grid)
    #expect(run.training.gradientClip == 0)
  }

  @Test func theSchemaFileIsTheGeneratedOne() throws {
    let file = folder.appendingPathComponent("tessera.schema.json")
    let text = try String(contentsOf: file, encoding: .utf8)
    #expect(
      text == RunConfiguration.schema(),
      "regenerate: train --print-schema > configs/tessera.schema.json")
    #expect(throws: Never.self) { try JSONValue(parsing: text) }
  }

  @Test func aMissingFileSuggestsItsNeighbour() {
    let path = folder.appendingPathComponent("fqs.json").path
    let error = #expect(throws: ConfigurationError.self) { try RunConfiguration.load(path: path) }
    #expect(error?.kind == .unreadable)
    #expect(error?.file == path)
    #expect(error?.problems.first?.message == "no such file")
    #expect(error?.problems.first?.remedy == "Did you mean \"fsq.json\"?")
  }

  @Test func aFolderIsNotAConfiguration() {
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(path: folder.path)
    }
    #expect(error?.kind == .unreadable)
    #expect(error?.problems.first?.message == "expected a file, found a folder")
  }

  @Test func bytesThatAreNotTextAreNamed() throws {
    let scratch = try ScratchFolder()
    try scratch.write([0x7B, 0x0A, 0x22, 0xC3, 0xA9, 0xFF], to: "run.json")
    let error = #expect(throws: ConfigurationError.self) {
      try RunConfiguration.load(path: scratch.file("run.json"))
    }
    #expect(error?.kind == .syntax)
    #expect(error?.problems.first?.place == "line 2, column 3")
    #expect(error?.problems.first?.message == "not UTF-8 text")
  }
}
