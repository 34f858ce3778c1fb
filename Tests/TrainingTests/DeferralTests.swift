import Files
import Autodiff
import CPUBackend
import Configuration
import Datasets
import Execution
import Foundation
import Imaging
import Inference
import Safetensors
import TestSupport
import Testing
import Tokenizers
import Training

/// Runs whose first steps do not quantize.
struct DeferralTests {
  private static func number(_ line: JSONObject) -> Int? {
    if case .integer(let step)? = line["step"] { step } else { nil }
  }

  @Test(arguments: ["deferred", "deferred-averaged", "deferred-residual", "deferred-fsq"])
  func stepsBeforeTheSwitchHaveNoTokens(_ kind: String) throws {
    let small = try SmallRun()
    var run = SmallRun.configuration(kind, data: small.data)
    run.monitor.diagnoseEvery = 2
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    #expect(recorder.reports.map { $0.tokens > 0 } == (1...10).map { $0 > 4 })
    #expect(recorder.reports.map { $0.quantizer.isEmpty } == (1...10).map { $0 <= 4 })
    #expect(recorder.evaluations.map(\.step) == [8, 10])
    let lines = Journal.lines(folder: small.folder("run"))
    for kind in ["codes", "quantizer"] {
      let steps = lines.filter { $0["kind"] == .string(kind) }.map(Self.number)
      #expect(steps == [6, 8, 10])
    }
    let steps = lines.filter { $0["kind"] == .string("step") }
    #expect(steps.map { $0["usage"] != nil } == (1...10).map { $0 > 4 })
    #expect(recorder.reports.allSatisfy { $0.loss.isFinite })
  }

  /// The first loss is that of the decoder's images of unquantized vectors.
  @Test(arguments: ["vq", "deferred", "fsq"])
  func theDecoderSeesVectors(_ kind: String) throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = SmallRun.configuration(kind, data: small.data, steps: 3)
    run.data.crop = .centre
    run.data.flip = false
    run.data.validation = small.data
    run.training.deferQuantization = 2
    run.training.reconstructionLoss = .squared
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)

    let graph = Graph()
    let model = Tokenizer(run.tokenizer, in: Scope(graph))
    let input = graph.input("images", [4, 8, 8, 3])
    let codes = model.bottleneck.continuous(model.latents(of: input))
    let loss = meanSquaredError(model.decode(codes), input)
    let trial = GraphRun(graph, outputs: ["loss": loss])
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: UInt64(run.training.seed))
    for (index, parameter) in parameters.layout.parameters.enumerated() {
      trial.set(parameter.name, parameters.read(parameter: index))
    }
    let pixels = (0..<4).flatMap { index in
      [Float](unsafeUninitializedCapacity: 192) { buffer, count in
        SmallRun.picture(index, side: 8).write(normalizedTo: buffer.baseAddress!)
        count = 192
      }
    }
    let expected = Double(trial.run(["images": pixels])["loss"]![0])
    #expect(abs(recorder.reports[0].loss - expected) < 1e-5 * expected)
    #expect(recorder.reports[0].loss == recorder.reports[0].reconstruction)
  }

  /// With steps of no size the codebook after the switch is of the encoder's vectors as they are.
  @Test func theCodebookIsMadeAtTheSwitch() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("deferred-averaged", data: small.data, steps: 6)
    run.data.crop = .centre
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    run.training.averaging.save = .last
    run.monitor.checkpointEvery = 1
    let folder = small.folder("run")
    let recorder = Recorder()
    var names: [[String: [Float]]] = []
    recorder.afterSaving = {
      let file = try! SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
      names.append(
        Dictionary(
          uniqueKeysWithValues: file.entries.filter {
            $0.name.hasSuffix("quantize.embedding.weight") && $0.type == .f32
          }.map { ($0.name, try! file.floats($0.name)) }))
    }
    try SmallRun.train(run, in: folder, recorder: recorder)
    let codebook = "parameters.quantize.embedding.weight"
    #expect(names[0][codebook] == names[3][codebook])
    #expect(names[3][codebook] != names[4][codebook])
    #expect(names[4][codebook] == names[5][codebook])
    // Averages hold it as if it had always been there; nothing is left of the old one.
    let kinds = AverageKind.allCases.filter { $0 != .tail }
    for kind in kinds {
      let average = names[4]["average.\(kind.rawValue).quantize.embedding.weight"]
      let expected = try #require(names[4][codebook])
      #expect(zip(try #require(average), expected).allSatisfy { abs($0 - $1) < 1e-6 })
    }
  }

  /// Moving averages begin at the switch, with codes of the encoder as it is then.
  @Test func movingAveragesBeginAtTheSwitch() throws {
    let small = try SmallRun(images: 4, side: 8)
    var run = SmallRun.configuration("deferred", data: small.data, steps: 5)
    run.data.crop = .centre
    run.data.flip = false
    run.data.validation = small.data
    run.quantizer = .cosine(
      CosineConfiguration(
        codebookSize: 24, codeDimension: 4, initialization: .encoder,
        upkeep: CodebookUpkeep(learning: .ema, decay: 0.9999)))
    run.monitor.checkpointEvery = 1
    let folder = small.folder("run")
    let recorder = Recorder()
    var states: [[String: [Float]]] = []
    recorder.afterSaving = {
      let file = try! SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
      states.append(
        Dictionary(
          uniqueKeysWithValues: file.entries.filter { $0.type == .f32 }.map {
            ($0.name, try! file.floats($0.name))
          }))
    }
    try SmallRun.train(run, in: folder, recorder: recorder)

    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    for (index, parameter) in parameters.layout.parameters.enumerated() {
      parameters.write(
        try #require(states[3]["parameters." + parameter.name]), toParameter: index)
    }
    let codec = Codec(
      run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let vectors = try codec.reconstruct((0..<4).map { SmallRun.picture($0, side: 8) }).flatMap {
      $0.latents
    }
    func farthest(_ state: [String: [Float]]) throws -> Float {
      let codes = try #require(state["parameters.quantize.embedding.weight"])
      return stride(from: 0, to: codes.count, by: 4).map { code in
        stride(from: 0, to: vectors.count, by: 4).map { vector in
          (0..<4).map { abs(codes[code + $0] - vectors[vector + $0]) }.max()!
        }.min()!
      }.max()!
    }
    let (before, after) = (try farthest(states[3]), try farthest(states[4]))
    #expect(after < 1e-3 && before > 1e-2, "\(before), \(after)")
  }

  @Test func aDeferredRunCannotBeginToQuantizeElsewhere() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("deferred", data: small.data)
    try SmallRun.train(run, in: small.folder("run"), stoppingAfter: 2)
    run.training.deferQuantization = 3
    #expect {
      try SmallRun.train(run, in: small.folder("run"), isResuming: true)
    } throws: { "\($0)".contains("training.deferQuantization") }
  }
}
