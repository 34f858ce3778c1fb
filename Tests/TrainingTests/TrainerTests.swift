import Autodiff
import CPUBackend
import Datasets
import Evaluation
import Execution
import Foundation
import Imaging
import Inference
import Safetensors
import Testing
import Tokenizers
import Training

/// What a run does to weights.
struct TrainerTests {
  /// The first ten losses of two runs, as this engine computes them.
  @Test(arguments: [("fsq", GoldenLosses.fsq), ("vq", GoldenLosses.vq)])
  func theFirstTenLosses(_ kind: String, _ expected: [Double]) throws {
    let small = try SmallRun()
    let recorder = Recorder()
    try SmallRun.train(
      SmallRun.configuration(kind, data: small.data), in: small.folder("run"), recorder: recorder)
    let losses = recorder.reports.map(\.loss)
    #expect(losses.count == 10)
    for (loss, golden) in zip(losses, expected) {
      #expect(abs(loss - golden) < 1e-3 * golden, "\(losses)")
    }
    #expect(recorder.saved == [3, 6, 9, 10])
    #expect(recorder.evaluations.map(\.step) == [4, 8, 10])
  }

  @Test(arguments: ["fsq", "vq", "cosine-vq", "simvq", "lfq", "bsq", "product-vq", "residual-vq"])
  func oneImageIsLearned(_ kind: String) throws {
    let small = try SmallRun(images: 1, side: 8)
    var run = SmallRun.configuration(kind, data: small.data, steps: 120)
    run.data.validation = small.data
    run.data.flip = false
    run.data.crop = .centre
    run.model = ModelConfiguration(channels: [16], latentChannels: 4, normGroups: 4)
    run.training.optimizer = .adam(AdamConfiguration(learningRate: 5e-3))
    run.training.schedule = .constant(WarmupConfiguration(warmup: 5))
    run.training.reconstructionLoss = .squared
    run.monitor.evaluateEvery = 1000
    run.monitor.checkpointEvery = 1000
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    let (first, last) = (recorder.reports[0], recorder.reports[119])
    #expect(last.reconstruction < 0.02, "from \(first.reconstruction) to \(last.reconstruction)")
    #expect(first.reconstruction > 0.1)
    let psnr = try #require(recorder.evaluations.last?.result.psnr)
    // The peak is 2 on the model's scale: 10 log10(4 / mse), but for the rounding to bytes.
    let expected = 10 * log10(4 / last.reconstruction)
    #expect(abs(min(psnr, 60) - min(expected, 60)) < 4)
  }

  // MARK: Updates

  /// The parameters that a run begins with, unless its codebook is sampled.
  private func initial(_ run: RunConfiguration) -> ParameterMemory<CPUBackend> {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: UInt64(run.training.seed))
    return parameters
  }

  private func trained(_ run: RunConfiguration, _ folder: String) throws
    -> ParameterMemory<CPUBackend>
  {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    try Checkpoint(folder: folder).readModel(into: parameters)
    return parameters
  }

  private func distance(_ a: ParameterMemory<CPUBackend>, _ b: ParameterMemory<CPUBackend>)
    -> Double
  {
    a.layout.parameters.indices.reduce(0.0) { sum, index in
      zip(a.read(parameter: index), b.read(parameter: index)).reduce(sum) {
        $0 + pow(Double($1.0) - Double($1.1), 2)
      }
    }.squareRoot()
  }

  /// Plain gradient descent moves by the gradient's length, or by the clip where that is less.
  @Test(arguments: [0, 0.01, 1e6])
  func clipping(_ clip: Double) throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 1)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0.5, momentum: 0))
    run.training.schedule = .constant(WarmupConfiguration())
    run.training.gradientClip = clip
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    let norm = recorder.reports[0].gradientNorm
    #expect(norm > 0.02)
    let moved = distance(initial(run), try trained(run, small.folder("run")))
    let expected = 0.5 * (clip > 0 ? min(clip, norm) : norm)
    #expect(abs(moved - expected) < 1e-3 * expected)
  }

  /// Decay takes from the filters alone.
  @Test func normsBiasesAndTheCodebookDoNotDecay() throws {
    let small = try SmallRun()
    func parameters(decay: Double) throws -> ParameterMemory<CPUBackend> {
      var run = SmallRun.vq(data: small.data, steps: 1)
      run.training.optimizer = .adamw(AdamWConfiguration(learningRate: 0.01, weightDecay: decay))
      run.training.schedule = .constant(WarmupConfiguration())
      let folder = small.folder("decay \(decay)")
      try SmallRun.train(run, in: folder)
      return try trained(run, folder)
    }
    let (without, with) = (try parameters(decay: 0), try parameters(decay: 0.5))
    let start = initial(SmallRun.vq(data: small.data))
    var decayed: Set<String> = []
    for (index, parameter) in start.layout.parameters.enumerated() {
      let (a, b) = (without.read(parameter: index), with.read(parameter: index))
      if a == b { continue }
      decayed.insert(parameter.name)
      for (weight, (a, b)) in zip(start.read(parameter: index), zip(a, b)) {
        #expect(abs((a - b) - 0.01 * 0.5 * weight) < 1e-6)
      }
    }
    let filters = start.layout.parameters.filter {
      $0.shape.rank == 4 && $0.name.hasSuffix(".weight")
    }
    #expect(decayed == Set(filters.map(\.name)))
    #expect(!decayed.contains("quantize.embedding.weight"))
    #expect(decayed.count < start.layout.parameters.count)
  }

  /// The codebook of SimVQ is a parameter that no update, no decay and no average moves; its map learns.
  @Test(arguments: [false, true]) func aFrozenCodebookStays(_ isAveraged: Bool) throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("simvq", data: small.data)
    if isAveraged {
      run.training.averaging = AveragingConfiguration(
        uniform: true, tail: true, ema: true, emaDecay: 0.8, save: .tail, evaluationImages: 2)
      run.monitor.diagnoseEvery = 2
    }
    run.training.optimizer = .adamw(AdamWConfiguration(learningRate: 0.01, weightDecay: 0.5))
    try SmallRun.train(run, in: small.folder("run"))
    let (start, end) = (initial(run), try trained(run, small.folder("run")))
    func numbers(_ parameters: ParameterMemory<CPUBackend>, _ name: String) throws -> [Float] {
      parameters.read(parameter: try #require(parameters.layout.index(of: name)))
    }
    let (codebook, map) = ("quantize.embedding.weight", "quantize.embedding_proj.weight")
    let (first, last) = (try numbers(start, codebook), try numbers(end, codebook))
    #expect(first == last)
    let (firstMap, lastMap) = (try numbers(start, map), try numbers(end, map))
    #expect(firstMap != lastMap)
    let count = end.layout.parameters.reduce(0) { $0 + $1.shape.count }
    #expect(end.layout.count == count - 24 * 4, "what is not trained does not count")
  }

  /// A cosine codebook begins as directions of encoder outputs.
  @Test func aCosineCodebookBeginsWithDirections() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("cosine-vq", data: small.data, steps: 1)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    try SmallRun.train(run, in: small.folder("run"))
    let parameters = try trained(run, small.folder("run"))
    let codebook = parameters.read(
      parameter: parameters.layout.index(of: "quantize.embedding.weight")!)
    for row in 0..<24 {
      let square = codebook[(row * 4)..<(row * 4 + 4)].reduce(0) { $0 + $1 * $1 }
      #expect(abs(square - 1) < 1e-5)
    }
    // Directions all, as the decoder sees them too.
    #expect(largest(zip(codebook, parameters.codes(of: run.tokenizer)).map { $0 - $1 }) < 1e-6)
  }

  /// The first codebook begins as encoder outputs, the next as what it leaves of them: shorter.
  @Test func residualCodebooksBeginWithWhatIsLeft() throws {
    let small = try SmallRun()
    var run = SmallRun.configuration("residual-vq", data: small.data, steps: 1)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    let parameters = try trained(run, small.folder("run"))
    let spreads = try (0..<3).map { depth in
      let name = "quantize.\(depth).embedding.weight"
      let numbers = parameters.read(parameter: try #require(parameters.layout.index(of: name)))
      return numbers.reduce(0) { $0 + $1 * $1 }
    }
    #expect(spreads[1] < spreads[0] / 2 && spreads[2] < spreads[1], "\(spreads)")
    let depths = try #require(recorder.evaluations.last?.result.depths.depths)
    #expect(depths.count == 3 && depths.allSatisfy { $0.ids == 2 * 16 && $0.used > 2 })
    let result = try #require(recorder.evaluations.last?.result)
    #expect(result.usage.ids == 3 * 2 * 16 && result.tokens == 2 * 16 && result.bitsPerToken == 12)
    #expect(abs(result.bitsPerPixel - 12 * 16 / 64) < 1e-12)
    let journal = try String(
      contentsOfFile: small.folder("run") + "/" + Journal.fileName, encoding: .utf8)
    #expect(journal.contains("\"usedCodesByDepth\""))
  }

  private func largest(_ x: [Float]) -> Float { x.map(abs).max() ?? 0 }

  /// A codebook begins as outputs of the untrained encoder; a step of no size shows it.
  @Test(arguments: [16, 300])
  func theCodebookBeginsWithEncoderOutputs(_ codes: Int) throws {
    let small = try SmallRun()
    var run = SmallRun.vq(data: small.data, steps: 1)
    run.data.crop = .centre
    run.quantizer = .vq(VectorConfiguration(codebookSize: codes, codeDimension: 4))
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0, momentum: 0))
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("run"), recorder: recorder)
    let parameters = try trained(run, small.folder("run"))
    let codebook = parameters.read(
      parameter: parameters.layout.index(of: "quantize.embedding.weight")!)
    let codec = Codec(run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let images = (0..<10).map { index in
      let picture = SmallRun.picture(index, side: 16)
      var middle: [UInt8] = []
      for y in 4..<12 { middle += picture.pixels[((y * 16 + 4) * 3)..<((y * 16 + 12) * 3)] }
      return Image(width: 8, height: 8, pixels: middle)
    }
    let latents = try codec.reconstruct(images).flatMap(\.latents)
    let vectors = Set((0..<(latents.count / 4)).map { Array(latents[($0 * 4)..<($0 * 4 + 4)]) })
    let rows = (0..<codes).map { Array(codebook[($0 * 4)..<($0 * 4 + 4)]) }
    #expect(Set(rows).count == codes, "no two codes are equal")
    let sampled = rows.filter(vectors.contains).count
    // 16 tokens an image; eight of the ten images are trained on.
    #expect(sampled == min(codes, 128))
    #expect(recorder.reports[0].usage > 0.1)
  }

  // MARK: What is not finite

  @Test func aNumberThatIsNotFiniteStopsTheRunAndTheLastCheckpointStays() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data)
    run.training.optimizer = .adamw(AdamWConfiguration(learningRate: 1e30))
    run.training.schedule = .constant(WarmupConfiguration())
    run.monitor.checkpointEvery = 1
    let folder = small.folder("run")
    let recorder = Recorder()
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: folder, recorder: recorder)
    }
    guard case .notFinite(let step, let place, let named, let savedStep, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(step == 2)
    #expect(place.contains(" of encoder."), "\(place)")
    #expect(named == folder && savedStep == 1)
    #expect(recorder.saved == [1])
    let state = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    #expect(state.metadata["step"] == "1")
    #expect(try trained(run, folder).firstNonFinite() == nil)
    let text = String(describing: error!)
    #expect(text.contains("step 2") && text.contains("learningRate") && text.contains(folder))
    #expect(text.contains("--allow-changes --set training.optimizer.learningRate=0.001"))
  }

  @Test func withoutACheckpointTheErrorSaysSo() throws {
    let small = try SmallRun()
    var run = SmallRun.vq(data: small.data)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 1e38, momentum: 0))
    run.training.schedule = .constant(WarmupConfiguration())
    run.training.gradientClip = 0
    run.monitor.checkpointEvery = 100
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: small.folder("run"))
    }
    guard case .notFinite(_, let place, _, let savedStep, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(savedStep == 0)
    #expect(!place.isEmpty)
    #expect(String(describing: error!).contains("No step was saved yet"))
    // The advice works: there is nothing to lose, and the folder is free.
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 1e-3, momentum: 0))
    #expect(try SmallRun.train(run, in: small.folder("run")) == .finished)
  }
}
