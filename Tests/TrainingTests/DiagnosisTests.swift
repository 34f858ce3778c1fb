import Files
import Autodiff
import CPUBackend
import Configuration
import Datasets
import Diagnostics
import Execution
import Foundation
import Imaging
import Inference
import Safetensors
import TestSupport
import Testing
import Tokenizers
import Training

/// What a run says of its quantizer and of its directions, against the same from the graph itself.
struct DiagnosisTests {
  /// One step that leaves the weights as they are, over all images of a folder, whole and unmirrored.
  private struct Step {
    let run: RunConfiguration
    let lines: [JSONObject]
    let codec: Codec<CPUBackend>
    let parameters: ParameterMemory<CPUBackend>
    let images: [Image]

    init(_ quantizer: QuantizerConfiguration, _ small: SmallRun) throws {
      var run = SmallRun.fsq(data: small.data, steps: 1)
      run.data.crop = .centre
      run.data.flip = false
      run.data.validation = small.data
      run.quantizer = quantizer
      run.training.optimizer = .sgd(SGDConfiguration(learningRate: 1e-30, momentum: 0))
      run.training.batchSize = 4
      self.run = run
      let folder = small.folder("step \(UUID().uuidString)")
      try SmallRun.train(run, in: folder)
      lines = Journal.lines(folder: folder)
      parameters = ParameterMemory(
        Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
      try Checkpoint(folder: folder).readModel(into: parameters)
      codec = Codec(
        run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
      images = (0..<4).map { SmallRun.picture($0, side: 8) }
    }

    func line(_ kind: String) throws -> JSONObject {
      try #require(lines.first { $0["kind"] == .string(kind) && $0["step"] == .integer(1) })
    }

    /// The gradients of the mean loss over the images at the codes and at the vectors before them.
    func gradients() -> (codes: [Double], latents: [Double], reconstructionAtLatents: [Double]) {
      func gradients(_ reconstructionOnly: Bool) -> [String: [Float]] {
        let graph = Graph()
        let model = Tokenizer(run.tokenizer, in: Scope(graph))
        let input = graph.input("images", [4, 8, 8, 3])
        let latents = model.latents(of: input)
        let quantized = model.bottleneck.quantize(latents)
        let reconstruction = meanSquaredError(model.decode(quantized.codes), input)
        let loss =
          reconstructionOnly
          ? reconstruction : quantized.auxiliaryLoss.map { reconstruction + $0 } ?? reconstruction
        let found = graph.differentiate(loss, withRespectTo: [quantized.codes, latents])
        let trial = GraphRun(graph, outputs: ["codes": found[0], "latents": found[1]])
        for (index, parameter) in parameters.layout.parameters.enumerated() {
          trial.set(parameter.name, parameters.read(parameter: index))
        }
        let pixels = images.flatMap { image in
          [Float](unsafeUninitializedCapacity: 192) { buffer, count in
            image.write(normalizedTo: buffer.baseAddress!)
            count = 192
          }
        }
        return trial.run(["images": pixels])
      }
      let (all, part) = (gradients(false), gradients(true))
      return (
        all["codes"]!.map(Double.init), all["latents"]!.map(Double.init),
        part["latents"]!.map(Double.init)
      )
    }
  }

  private static func vq(_ gradient: CodebookConfiguration.Gradient) -> QuantizerConfiguration {
    .vq(
      VectorConfiguration(
        codebookSize: 24, codeDimension: 4, gradient: gradient, commitmentWeight: 0.7,
        initialization: .normal))
  }

  @Test(arguments: CodebookConfiguration.Gradient.allCases)
  func theQuantizersLineIsThatOfTheBatch(_ gradient: CodebookConfiguration.Gradient) throws {
    let small = try SmallRun(images: 4, side: 8)
    let step = try Step(Self.vq(gradient), small)
    let line = try step.line("quantizer")
    let codebook = step.parameters.read(
      parameter: step.parameters.layout.index(of: "quantize.embedding.weight")!)
    var (lambdas, cosines, vectors, codes): ([Double], [Double], Double, Double) = ([], [], 0, 0)
    for result in try step.codec.reconstruct(step.images) {
      for (token, code) in result.tokens.indices.enumerated() {
        let z = result.latents[token * 4..<token * 4 + 4].map(Double.init)
        let q = codebook[Int(code) * 4..<Int(code) * 4 + 4].map(Double.init)
        let (zz, qq, zq) = (dot(z, z), dot(q, q), dot(z, q))
        lambdas.append((qq / zz).squareRoot())
        cosines.append(zq / (zz * qq).squareRoot())
        vectors += zz
        codes += qq
      }
    }
    let count = Double(lambdas.count)
    expect(line["lambda"], lambdas.reduce(0, +) / count)
    expect(line["cosine"], cosines.reduce(0, +) / count)
    expect(line["obtuse"], Double(cosines.count { $0 < 0 }) / count)
    expect(line["vectorLength"], (vectors / count).squareRoot())
    expect(line["codeLength"], (codes / count).squareRoot())

    let gradients = step.gradients()
    let reconstruction = dot(
      gradients.reconstructionAtLatents, gradients.reconstructionAtLatents
    ).squareRoot()
    let (rank, stable) = ranks(ofRows: gradients.codes, dimension: 4)
    expect(line["gradientRank"], rank)
    expect(line["gradientStableRank"], stable)
    let commitment = zip(gradients.latents, gradients.reconstructionAtLatents).map { $0 - $1 }
    expect(line["reconstructionGradient"], reconstruction)
    expect(line["commitmentRatio"], dot(commitment, commitment).squareRoot() / reconstruction)
    if gradient == .rotation {
      let pooled =
        dot(gradients.codes, gradients.reconstructionAtLatents)
        / (dot(gradients.codes, gradients.codes).squareRoot() * reconstruction)
      expect(line["gradientCosinePooled"], pooled)
    }
  }

  @Test func theCodesLineIsThatOfTheBatch() throws {
    let small = try SmallRun(images: 4, side: 8)
    let step = try Step(.fsq(FiniteScalarConfiguration(levels: [5, 4, 3])), small)
    let line = try step.line("codes")
    let results = try step.codec.reconstruct(step.images)
    let tokens = results.flatMap(\.tokens.indices)
    #expect(line["tokens"] == .integer(tokens.count))
    #expect(line["usedCodes"] == .integer(Set(tokens).count))
    #expect(line["deadCodes"] == .integer(60 - Set(tokens).count))
    guard case .array(let channels)? = line["levels"], channels.count == 3,
      case .array(let levels) = channels[0]
    else {
      Issue.record("levels of three channels, found \(String(describing: line["levels"]))")
      return
    }
    for (level, share) in levels.enumerated() {
      let expected = Double(tokens.count { Int($0) % 5 == level }) / Double(tokens.count)
      #expect(abs((share.double ?? .nan) - expected) < 1e-3)
    }
    #expect(line["born"] == nil, "nothing came before the first window")
  }

  /// Under plain gradient descent updates are gradients: all cosines are 1, and so is kappa.
  @Test func plainGradientDescentGoesAlongTheGradient() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 4)
    run.training.optimizer = .sgd(SGDConfiguration(learningRate: 0.05, momentum: 0))
    run.training.schedule = .constant(WarmupConfiguration())
    run.training.gradientClip = 0
    run.monitor.diagnoseEvery = 1
    let recorder = Recorder()
    try SmallRun.train(run, in: small.folder("plain"), recorder: recorder)
    let all = Journal.lines(folder: small.folder("plain"))
    let lines = all.filter { $0["kind"] == .string("cosines") }
    #expect(lines.count == 4)
    for (index, line) in lines.enumerated() {
      for key in ["cosine", "kappa", "localMean"] { expect(line[key], 1, 1e-5) }
      let norm = recorder.reports[index].gradientNorm
      expect(line["predictedDecrease"], 0.05 * norm * norm, 1e-4)
      #expect(line["simpson"] == nil)
      #expect((line["successiveCosine"] != nil) == (index > 0))
      #expect(line["decreaseRatio"] != nil)
    }
    // For plain gradient descent the path is as long as the rates and gradients say.
    let last = try #require(all.last { $0["kind"] == .string("averageLoss") })
    expect(last["pathLength"], recorder.reports.reduce(0) { $0 + 0.05 * $1.gradientNorm }, 1e-5)
  }

  /// Each evaluation has the ranks of its own weights: those in the checkpoint, at the end.
  @Test(arguments: ["fsq", "averaged", "simvq", "none"])
  func effectiveRanksOfTheLayersAreThoseOfTheEvaluatedWeights(_ kind: String) throws {
    let small = try SmallRun()
    let folder = small.folder("run")
    try SmallRun.train(SmallRun.configuration(kind, data: small.data), in: folder)
    let all = Journal.lines(folder: folder)
    let lines = all.filter { $0["kind"] == .string("spectra") }
    let evaluations = all.filter { $0["kind"] == .string("evaluation") }
    #expect(lines.map { $0["step"] } == [.integer(4), .integer(8), .integer(10)])
    #expect(lines.map { $0["weights"] } == evaluations.map { $0["weights"] })
    let file = try SafetensorsFile(path: folder + "/" + Checkpoint.modelFile)
    let weights = file.entries.filter {
      ($0.shape.count == 4 || $0.name.contains("attentions")) && $0.name.hasSuffix(".weight")
        && !$0.name.contains("norm")
    }
    #expect(weights.count > 20)
    let last = try #require(lines.last)
    guard case .object(let stable)? = last["stableRank"],
      case .object(let entropy)? = last["entropyRank"]
    else {
      Issue.record("no ranks in \(last.keys)")
      return
    }
    #expect(Set(stable.keys) == Set(weights.map { String($0.name.dropLast(7)) }))
    #expect(stable.keys == entropy.keys)
    for entry in weights {
      let shape = entry.shape + Array(repeating: 1, count: 4 - entry.shape.count)
      let layer = try #require(
        LayerSpectrum(
          entry.name,
          LayerShape(outputs: shape[0], inputs: shape[1], height: shape[2], width: shape[3]),
          weights: try file.floats(entry.name), bothUnfoldings: false))
      let name = String(entry.name.dropLast(7))
      expect(stable[name], layer.stableRank, 1e-3)
      expect(entropy[name], layer.entropyRank, 1e-3)
    }
  }

  @Test func whatIsOffIsNotWritten() throws {
    let small = try SmallRun()
    var run = SmallRun.vq(data: small.data, steps: 4)
    run.monitor.averageLoss = false
    run.monitor.cosines = false
    run.monitor.decrease = false
    run.monitor.quantizer = false
    run.monitor.spectra = false
    run.monitor.tensorBoard = false
    let (bare, full) = (small.folder("bare"), small.folder("full"))
    try SmallRun.train(run, in: bare)
    #expect(
      Journal.lines(folder: bare).allSatisfy {
        [.string("run"), .string("step"), .string("evaluation")].contains($0["kind"])
      })
    let state = try SafetensorsFile(path: bare + "/" + Checkpoint.stateFile)
    #expect(!state.entries.contains { $0.name.hasPrefix("origin.") })
    #expect(
      try !FileManager.default.contentsOfDirectory(atPath: bare).contains {
        $0.contains("tfevents")
      })
    // Watching changes no bit of what is trained.
    try SmallRun.train(SmallRun.averaged(data: small.data, steps: 4), in: full)
    let other = try SafetensorsFile(path: full + "/" + Checkpoint.stateFile)
    for entry in state.entries where entry.type == .f32 {
      #expect(try state.floats(entry.name) == other.floats(entry.name), "\(entry.name)")
    }
  }

  /// The effective rank and the stable rank of a matrix of rows.
  ///
  /// Eigenvalues by power iteration, each removed in its turn.
  private func ranks(ofRows rows: [Double], dimension d: Int) -> (Double, Double) {
    var gram = [[Double]](repeating: Array(repeating: 0, count: d), count: d)
    for start in stride(from: 0, to: rows.count, by: d) {
      for i in 0..<d {
        for j in 0..<d { gram[i][j] += rows[start + i] * rows[start + j] }
      }
    }
    var values: [Double] = []
    for _ in 0..<d {
      var vector = (0..<d).map { 1 + Double($0) }
      for _ in 0..<5000 {
        let next = gram.map { dot($0, vector) }
        let length = dot(next, next).squareRoot()
        vector = next.map { $0 / max(length, 1e-300) }
      }
      let value = dot(vector, gram.map { dot($0, vector) })
      values.append(value)
      for i in 0..<d {
        for j in 0..<d { gram[i][j] -= value * vector[i] * vector[j] }
      }
    }
    let total = values.reduce(0, +)
    let entropy = values.reduce(0) { $0 - $1 / total * log($1 / total) }
    return (exp(entropy), total / values[0])
  }

  private func dot(_ a: [Double], _ b: [Double]) -> Double {
    zip(a, b).reduce(0) { $0 + $1.0 * $1.1 }
  }

  private func expect(
    _ value: JSONValue?, _ expected: Double, _ tolerance: Double = 1e-4,
    at location: SourceLocation = #_sourceLocation
  ) {
    let found = value?.double ?? .nan
    #expect(
      abs(found - expected) <= tolerance * abs(expected) + 1e-9, "\(found), not \(expected)",
      sourceLocation: location)
  }
}
