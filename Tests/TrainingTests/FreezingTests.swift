import Autodiff
import CPUBackend
import Datasets
import Execution
import Files
import Foundation
import Inference
import Safetensors
import Testing
import TokenFiles
import Tokenizers
import Training

/// Parts of a tokenizer that keep the weights of the checkpoint that a run begins with.
struct FreezingTests {
  private static func isOfEncoder(_ name: String) -> Bool {
    name.hasPrefix("encoder.") || name.hasPrefix("quant_conv.")
  }

  /// A checkpoint of a kind, and a run that begins with it, under other rates and averages.
  private static func first(
    _ small: SmallRun, _ kind: String, freezing parts: Set<TokenizerPart>, steps: Int = 6
  ) throws -> (run: RunConfiguration, source: String) {
    var run = SmallRun.configuration(kind, data: small.data, steps: 5)
    run.training.averaging.codebook = .averaged
    try SmallRun.train(run, in: small.folder("first"))
    run.training.freeze = parts
    run.training.steps = steps
    run.training.deferQuantization = 0
    run.training.optimizer = .adamw(AdamWConfiguration(learningRate: 0.01, weightDecay: 0.1))
    run.training.averaging.save = run.training.averaging.ema ? .ema : .last
    run.monitor.keepBest = .psnr
    run.monitor.cosines = true
    run.monitor.diagnoseEvery = 2
    return (run, small.folder("first"))
  }

  /// Tensors of a file by name whose bytes are those of another.
  private static func kept(_ file: String, of other: String) throws -> (
    same: [String], changed: [String]
  ) {
    let (a, b) = (try tensors(file), try tensors(other))
    #expect(a.keys == b.keys)
    let names = a.keys.sorted()
    return (names.filter { a[$0] == b[$0] }, names.filter { a[$0] != b[$0] })
  }

  /// EMA updates, revival, averages, weight decay: nothing moves encoder and quantizer.
  ///
  /// The decoder learns. A stop on the way changes no bit.
  @Test(arguments: [
    "fsq", "vq", "averaged", "ema", "revived", "residual-revived", "product-ema", "simvq",
    "deferred", "kl",
  ])
  func nothingMovesEncoderAndQuantizer(_ kind: String) throws {
    let small = try SmallRun()
    let (run, source) = try Self.first(small, kind, freezing: [.encoder, .quantizer])
    let start = try StartingWeights(folder: source)
    let folder = small.folder("tuned")
    #expect(
      try SmallRun.train(run, in: folder, start: start, stoppingAfter: 3) == .interrupted(step: 3))
    #expect(try SmallRun.train(run, in: folder, isResuming: true) == .finished)
    let straight = small.folder("straight")
    #expect(try SmallRun.train(run, in: straight, start: start) == .finished)
    try expectEqualRuns(straight, folder)

    let model = source + "/" + Checkpoint.modelFile
    for file in [Checkpoint.modelFile, Checkpoint.bestFile] {
      let (same, changed) = try Self.kept(folder + "/" + file, of: model)
      #expect(
        same.allSatisfy { Self.isOfEncoder($0) || $0.hasPrefix("quantize.") }, "\(file): \(same)")
      #expect(
        changed.allSatisfy { $0.hasPrefix("decoder.") || $0.hasPrefix("post_quant_conv.") },
        "\(file): \(changed)")
    }
    let state = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    let moments = state.entries.map(\.name).filter { $0.hasPrefix("moment1.") }
    #expect(!moments.isEmpty)
    #expect(!moments.contains { $0.hasPrefix("moment1.encoder") || $0.contains("quantize.") })

    let journal = try String(contentsOfFile: folder + "/" + Journal.fileName, encoding: .utf8)
    #expect(!journal.contains("NaN") && !journal.contains("null"), "\(journal)")
    let lines = Journal.lines(folder: folder)
    let cosines = try #require(lines.first { $0["kind"] == .string("cosines") })
    guard case .object(let modules)? = cosines["modules"] else {
      Issue.record("no modules in \(cosines)")
      return
    }
    #expect(modules.keys == ["decoder"])
  }

  @Test(arguments: [
    ([TokenizerPart.decoder], "averaged"), ([.quantizer], "ema"), ([.encoder], "residual-vq"),
    ([.encoder, .decoder], "vq"), ([.quantizer, .decoder], "averaged"),
  ])
  func eachPartIsFrozenByItself(_ parts: [TokenizerPart], _ kind: String) throws {
    let small = try SmallRun()
    let (run, source) = try Self.first(small, kind, freezing: Set(parts))
    #expect(
      try SmallRun.train(run, in: small.folder("tuned"), start: StartingWeights(folder: source))
        == .finished)
    let (same, changed) = try Self.kept(
      small.folder("tuned") + "/" + Checkpoint.modelFile,
      of: source + "/" + Checkpoint.modelFile)
    #expect(Set(same.map { TokenizerPart(ofParameter: $0) }) == Set(parts), "\(same)")
    #expect(
      Set(changed.map { TokenizerPart(ofParameter: $0) })
        == Set(TokenizerPart.allCases).subtracting(parts), "\(changed)")
  }

  /// What the plan of a step executes of a frozen encoder is its forward pass and nothing else.
  @Test(arguments: ["fsq", "averaged", "residual-vq", "kl"])
  func noGradientIsComputedThroughAFrozenEncoder(_ kind: String) throws {
    let small = try SmallRun()
    var (run, source) = try Self.first(small, kind, freezing: [])
    func plan() throws -> Plan {
      try SmallRun.trainer(
        run, in: small.folder("tuned"), start: StartingWeights(folder: source)
      ).plan
    }
    func operations(_ plan: Plan) -> [String] {
      plan.instructions.filter { $0.layer.hasPrefix("encoder") }
        .map { $0.layer + " " + $0.operation.name }
    }
    let trained = try plan()
    run.training.freeze = [.encoder, .quantizer]
    let frozen = try plan()

    let graph = Graph()
    let tokenizer = Tokenizer(run.tokenizer, in: Scope(graph))
    let side = run.data.imageSize
    let images = run.training.imagesPerReplay(imageSize: side)
    let latents = tokenizer.latents(of: graph.input("images", [images, side, side, 3]))
    let forward = operations(Plan(graph, outputs: ["latents": latents], on: CPUBackend()))
    #expect(!forward.isEmpty && operations(frozen) == forward)
    #expect(operations(trained).count > 2 * forward.count)
    #expect(frozen.arenaWords < trained.arenaWords)
    // Losses have the name of the last layer before them.
    let others = frozen.instructions.filter { $0.layer.hasPrefix("quant_conv") }
    #expect(!others.contains { $0.operation.name.contains("gradient") })

    let gradients = frozen.instructions.filter {
      $0.outputs.contains { $0.region == .gradients }
    }
    #expect(!gradients.isEmpty)
    #expect(
      gradients.allSatisfy {
        $0.layer.hasPrefix("decoder") || $0.layer.hasPrefix("post_quant_conv")
      }, "\(Set(gradients.map(\.layer)))")
  }

  @Test func randomWeightsAreNotFrozen() throws {
    let small = try SmallRun()
    var run = SmallRun.fsq(data: small.data, steps: 2)
    run.training.freeze = [.encoder, .quantizer]
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: small.folder("run"))
    }
    #expect(error == .frozenAtRandom(parts: ["encoder", "quantizer"]))
    #expect(String(describing: error!).contains("Add --from"), "\(error!)")
    #expect(!FileManager.default.fileExists(atPath: small.folder("run")))
  }

  /// A codebook that the checkpoint does not have would stay as it was drawn.
  @Test func aFrozenCodebookMustBeThere() throws {
    let small = try SmallRun()
    var fsq = SmallRun.fsq(data: small.data, steps: 2)
    fsq.quantizer = .fsq(FiniteScalarConfiguration(levels: [5, 4, 3, 3]))
    try SmallRun.train(fsq, in: small.folder("fsq"))
    var run = SmallRun.vq(data: small.data, steps: 2)
    run.training.freeze = [.encoder, .quantizer]
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(
        run, in: small.folder("run"), start: StartingWeights(folder: small.folder("fsq")))
    }
    #expect(String(describing: error!).contains("quantize.embedding.weight"), "\(error!)")
    run.training.freeze = [.encoder]
    #expect(
      try SmallRun.train(
        run, in: small.folder("run"), start: StartingWeights(folder: small.folder("fsq")))
        == .finished)
  }

  @Test func aResumedRunFreezesTheSameParts() throws {
    let small = try SmallRun()
    var (run, source) = try Self.first(small, "vq", freezing: [.encoder])
    let folder = small.folder("tuned")
    try SmallRun.train(
      run, in: folder, start: StartingWeights(folder: source), stoppingAfter: 3)
    for parts in [[], [TokenizerPart.encoder, .quantizer]] {
      run.training.freeze = Set(parts)
      #expect(
        throws: TrainingError.otherConfiguration(folder: folder, differences: ["training.freeze"])
      ) {
        try SmallRun.train(run, in: folder, isResuming: true, allowed: .configuration)
      }
    }
  }

  // MARK: Whose tokens are kept

  private func kept(
    _ folder: String, _ tokenizer: TokenizerConfiguration? = nil
  ) throws -> (fingerprint: String, kept: [String]) {
    let checkpoint = Checkpoint(folder: folder)
    let tokenizer = try tokenizer ?? checkpoint.readConfiguration().tokenizer
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(tokenizer), on: CPUBackend())
    let hash = try checkpoint.readModel(into: parameters)
    return (
      Checkpoint.identity(tokenizer, hash).fingerprint,
      try checkpoint.keptTokens(Checkpoint.modelFile, tokenizer, hash)
    )
  }

  private func tune(
    _ small: SmallRun, _ run: RunConfiguration, from source: String, to name: String
  ) throws -> (fingerprint: String, kept: [String]) {
    try SmallRun.train(
      run, in: small.folder(name), start: StartingWeights(folder: small.folder(source)))
    return try kept(small.folder(name))
  }

  @Test(arguments: ["averaged", "fsq"]) func aLineOfCheckpointsKeepsTheTokensOfAll(
    _ kind: String
  ) throws {
    let small = try SmallRun()
    // Levels without weights need not be frozen.
    var (run, _) = try Self.first(
      small, kind, freezing: kind == "fsq" ? [.encoder] : [.encoder, .quantizer], steps: 2)
    let first = try kept(small.folder("first"))
    #expect(first.kept == [])
    let second = try tune(small, run, from: "first", to: "second")
    #expect(second.kept == [first.fingerprint] && second.fingerprint != first.fingerprint)
    let third = try tune(small, run, from: "second", to: "third")
    #expect(third.kept == [second.fingerprint, first.fingerprint])
    // Other weights of losses change no ids.
    if case .vq(var quantizer) = run.quantizer {
      quantizer.codebook.commitmentWeight = 0.5
      run.quantizer = .vq(quantizer)
      #expect(try tune(small, run, from: "first", to: "weighted").kept == [first.fingerprint])
    }
    run.training.freeze = [.quantizer]
    #expect(try tune(small, run, from: "second", to: "moved").kept == [])
    run.training.freeze = [.encoder, .quantizer]
    run.model.normGroups = 2
    #expect(try tune(small, run, from: "first", to: "other").kept == [])
  }

  /// The record is of the weights that it was written with.
  @Test func aRecordBesideOtherWeightsDoesNotCount() throws {
    let small = try SmallRun()
    let (run, _) = try Self.first(small, "vq", freezing: [.encoder, .quantizer], steps: 2)
    #expect(try tune(small, run, from: "first", to: "second").kept.count == 1)
    var tokenizer = run.tokenizer
    tokenizer.model.normGroups = 2
    #expect(try kept(small.folder("second"), tokenizer).kept == [])

    let path = small.folder("second") + "/" + Checkpoint.modelFile
    for name in ["encoder.conv_in.bias", "quantize.embedding.weight", "decoder.conv_in.bias"] {
      let file = try SafetensorsFile(path: path)
      var contents: [(TensorDeclaration, [UInt8])] = []
      for entry in file.entries {
        var numbers = try file.withBytes(of: entry) { Array($0) }
        if entry.name == name { numbers[0] ^= 1 }
        contents.append(
          (TensorDeclaration(name: entry.name, type: entry.type, shape: entry.shape), numbers))
      }
      let other = small.folder("with other " + name)
      try FileManager.default.copyItem(atPath: small.folder("second"), toPath: other)
      let writer = try SafetensorsWriter(
        path: other + "/" + Checkpoint.modelFile, tensors: contents.map(\.0),
        metadata: file.metadata)
      for entry in writer.entries {
        let numbers = contents.first { $0.0.name == entry.name }!.1
        try numbers.withUnsafeBytes { try writer.append($0, to: entry.name) }
      }
      try writer.finish()
      #expect(try kept(other).kept.count == (name.hasPrefix("decoder") ? 1 : 0), "\(name)")
    }
  }
}
