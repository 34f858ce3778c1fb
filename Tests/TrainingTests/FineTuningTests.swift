import Files
import CPUBackend
import Configuration
import Datasets
import Execution
import Foundation
import Inference
import Safetensors
import Testing
import TokenFiles
import Tokenizers
import Training

/// New runs that begin with a checkpoint's weights.
struct FineTuningTests {
  private static func first(
    _ small: SmallRun, _ kind: String = "averaged"
  ) throws -> (run: RunConfiguration, folder: String) {
    let run = SmallRun.configuration(kind, data: small.data, steps: 4)
    try SmallRun.train(run, in: small.folder("first"))
    return (run, small.folder("first"))
  }

  /// Weights of step 0 as they were saved, of which averages, codebook included.
  @Test(arguments: ["averaged", "ema", "fsq", "residual-revived"])
  func aRunBeginsWithTheWeightsThatWereSaved(_ kind: String) throws {
    let small = try SmallRun()
    let (first, source) = try Self.first(small, kind)
    var run = first
    run.training.steps = 5
    run.training.seed = 99
    // No longer there, as in a checkpoint that was copied without it.
    try FileManager.default.removeItem(atPath: source + "/" + Checkpoint.stateFile)
    let start = try StartingWeights(folder: source)
    let folder = small.folder("tuned")
    // Asked before the first step, when the state is there.
    #expect(
      try SmallRun.train(run, in: folder, start: start, shouldStop: { Self.hasState(folder) })
        == .interrupted(step: 0))
    let model = try SafetensorsFile(path: source + "/" + Checkpoint.modelFile)
    let state = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    for entry in model.entries {
      #expect(
        try state.floats("parameters." + entry.name) == model.floats(entry.name), "\(entry.name)")
    }
    #expect(state.metadata["step"] == "0")
    // It goes on bit by bit, with the codebook that was taken over.
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
    let straight = small.folder("straight")
    #expect(try SmallRun.train(run, in: straight, start: start) == .finished)
    try expectEqualRuns(straight, folder)
    let line = try #require(Journal.lines(folder: straight).first)
    guard case .object(let origin)? = line["from"] else {
      Issue.record("no origin in \(line)")
      return
    }
    #expect(origin["folder"] == .string(source) && origin["step"] == .integer(4))
    #expect(origin["weights"] == .string(model.metadata["weights"] ?? ""))
    let parameters = try trained(first, source)
    let identity = Checkpoint.identity(first.tokenizer, WeightsHash(parameters))
    #expect(origin["fingerprint"] == .string(identity.fingerprint))
  }

  private static func hasState(_ folder: String) -> Bool {
    FileManager.default.fileExists(atPath: folder + "/" + Checkpoint.stateFile)
  }

  private func trained(
    _ run: RunConfiguration, _ folder: String
  ) throws -> ParameterMemory<CPUBackend> {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    try Checkpoint(folder: folder).readModel(into: parameters)
    return parameters
  }

  /// Another quantizer's entries are made as always; what has another shape is named with both.
  @Test func whatDoesNotFitIsNamed() throws {
    let small = try SmallRun()
    let (first, source) = try Self.first(small, "vq")
    let start = try StartingWeights(folder: source)
    var run = first
    run.quantizer = .vq(VectorConfiguration(codebookSize: 32, codeDimension: 4))
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: small.folder("tuned"), start: start)
    }
    let text = String(describing: error!)
    #expect(text.contains("quantize.embedding.weight"), "\(text)")
    #expect(text.contains("[24, 4]") && text.contains("[32, 4]"), "\(text)")
    run = first
    run.model.blocksPerLevel = 2
    let missing = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: small.folder("tuned"), start: start)
    }
    #expect(String(describing: missing!).contains("resnets.1"), "\(missing!)")
    #expect(!FileManager.default.fileExists(atPath: small.folder("tuned")))

    let plain = small.folder("fsq")
    var fsq = SmallRun.fsq(data: small.data, steps: 2)
    fsq.quantizer = .fsq(FiniteScalarConfiguration(levels: [5, 4, 3, 3]))
    try SmallRun.train(fsq, in: plain)
    run = first
    #expect(
      try SmallRun.train(
        run, in: small.folder("with codes"), start: StartingWeights(folder: plain)) == .finished)
    guard case .object(let origin)? = Journal.lines(folder: small.folder("with codes"))[0]["from"]
    else {
      Issue.record("no origin")
      return
    }
    #expect(origin["codebooks"] == .flag(false))
  }
}
