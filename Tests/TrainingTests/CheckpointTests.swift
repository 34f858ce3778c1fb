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

/// Checkpoints that are damaged, or of something else.
struct CheckpointTests {
  let small: SmallRun
  let folder: String
  let run: RunConfiguration

  init() throws {
    small = try SmallRun()
    folder = small.folder("run")
    run = SmallRun.vq(data: small.data, steps: 4)
    try SmallRun.train(run, in: folder, stoppingAfter: 2)
  }

  private var statePath: String { folder + "/" + Checkpoint.stateFile }
  private var modelPath: String { folder + "/" + Checkpoint.modelFile }

  private func resume(_ run: RunConfiguration? = nil) throws {
    try SmallRun.train(run ?? self.run, in: folder, isResuming: true)
  }

  private func readModel() throws {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    try Checkpoint(folder: folder).readModel(into: parameters)
  }

  private func put(_ bytes: [UInt8], _ path: String) throws {
    try Data(bytes).write(to: URL(fileURLWithPath: path))
  }

  /// Writes a file of the checkpoint anew, changed.
  private func rewrite(
    _ path: String, metadata change: (inout [String: String]) -> Void = { _ in },
    tensors edit: (inout [(name: String, shape: [Int], values: [Float])]) -> Void = { _ in }
  ) throws {
    let file = try SafetensorsFile(path: path)
    var metadata = file.metadata
    var tensors = try file.entries.map {
      (name: $0.name, shape: $0.shape, values: try file.floats($0.name))
    }
    change(&metadata)
    edit(&tensors)
    try SafetensorsWriter.write(tensors, metadata: metadata, to: path)
  }

  private func expectDamaged(
    _ path: String, naming words: [String], _ body: () throws -> Void
  ) {
    let error = #expect(throws: TrainingError.self, performing: body)
    guard case .damaged(let file, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(file == path)
    let text = String(describing: error!)
    for word in words { #expect(text.contains(word), "\(text)") }
  }

  // MARK: Damage

  @Test func aFileCutShortAnywhereIsRefused() throws {
    let (state, model) = (try bytes(statePath), try bytes(modelPath))
    for (whole, path) in [(state, statePath), (model, modelPath)] {
      for length in [0, 7, 8, 100, whole.count / 2, whole.count - 4, whole.count - 1] {
        try put(Array(whole[..<length]), path)
        expectDamaged(path, naming: [path]) {
          if path == statePath { try resume() } else { try readModel() }
        }
      }
      try put(whole, path)
    }
    try readModel()
    try resume()
  }

  @Test func aMissingTensorIsNamed() throws {
    try rewrite(statePath, tensors: { $0.removeAll { $0.name == "moment1.encoder.conv_in.bias" } })
    expectDamaged(statePath, naming: ["moment1.encoder.conv_in.bias"]) { try resume() }
    try rewrite(modelPath, tensors: { $0.removeAll { $0.name == "quantize.embedding.weight" } })
    expectDamaged(modelPath, naming: ["quantize.embedding.weight"]) { try readModel() }
  }

  @Test func anotherShapeIsNamed() throws {
    try rewrite(
      modelPath,
      tensors: { tensors in
        let index = tensors.firstIndex { $0.name == "encoder.conv_in.bias" }!
        tensors[index].shape = [7]
        tensors[index].values.removeLast()
      })
    expectDamaged(modelPath, naming: ["encoder.conv_in.bias", "[7]", "[8]"]) { try readModel() }
  }

  @Test func anotherVersionIsRefused() throws {
    try rewrite(statePath, metadata: { $0["tessera"] = "2" })
    #expect(throws: TrainingError.version(file: statePath, found: "2", expected: "1")) {
      try resume()
    }
    try rewrite(modelPath, metadata: { $0["tessera"] = nil })
    expectDamaged(modelPath, naming: ["version"]) { try readModel() }
  }

  @Test(arguments: ["step", "seconds", "trainingSet"])
  func aStateWithoutItsStepIsRefused(_ key: String) throws {
    try rewrite(statePath, metadata: { $0[key] = nil })
    expectDamaged(statePath, naming: [statePath]) { try resume() }
  }

  @Test func aStepBelowZeroIsRefused() throws {
    try rewrite(statePath, metadata: { $0["step"] = "-3" })
    expectDamaged(statePath, naming: [statePath]) { try resume() }
  }

  /// A resume with other kernels is reported once: it cannot match an uninterrupted run bit for bit.
  @Test func otherArithmeticIsTold() throws {
    func notes(stoppingAfter step: Int?) throws -> [String] {
      let recorder = Recorder()
      try SmallRun.train(
        run, in: folder, isResuming: true, recorder: recorder, stoppingAfter: step)
      return recorder.notes
    }
    let own = CPUBackend().arithmetic
    #expect(try SafetensorsFile(path: statePath).metadata["arithmetic"] == own)
    let other = String(repeating: "?", count: own.utf8.count)
    // The same length, so that the rest of the file stays where it is.
    let changed = Array(try bytes(statePath)).replacing(
      Array(own.utf8), with: Array(other.utf8))
    try put(changed, statePath)
    let told = try notes(stoppingAfter: 3)
    #expect(told.count == 1 && told[0].contains(other) && told[0].contains(own), "\(told)")
    #expect(try notes(stoppingAfter: nil).isEmpty)
  }

  @Test func nothingThereIsSaid() throws {
    let empty = small.folder("nothing")
    #expect(
      throws: TrainingError.noCheckpoint(folder: empty, missing: Checkpoint.stateFile)
    ) { try SmallRun.train(run, in: empty, isResuming: true) }
    #expect(
      throws: TrainingError.noCheckpoint(folder: empty, missing: Checkpoint.configurationFile)
    ) { _ = try Checkpoint(folder: empty).readConfiguration() }
    try FileManager.default.removeItem(atPath: modelPath)
    #expect(
      throws: TrainingError.noCheckpoint(folder: folder, missing: Checkpoint.modelFile)
    ) { try readModel() }
  }

  // MARK: Another run

  @Test func aRunIsNotOverwritten() throws {
    let before = try bytes(statePath)
    #expect(throws: TrainingError.outputExists(folder: folder)) {
      try SmallRun.train(run, in: folder)
    }
    #expect(try bytes(statePath) == before)
  }

  @Test func aFolderThatCannotBeMadeIsSaid() throws {
    try put([1], small.folder("file"))
    let error = #expect(throws: TrainingError.self) {
      try SmallRun.train(run, in: small.folder("file") + "/below")
    }
    guard case .cannotMakeFolder? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
  }

  @Test func anotherConfigurationIsRefusedAndItsDifferencesNamed() throws {
    var other = run
    other.training.seed = 99
    other.model.blocksPerLevel = 2
    other.data.flip = false
    #expect(
      throws: TrainingError.otherConfiguration(
        folder: folder, differences: ["data.flip", "model.blocksPerLevel", "training.seed"],
        canBeAllowed: false)
    ) { try resume(other) }
    other = run
    other.quantizer = .fsq(FiniteScalarConfiguration())
    let error = #expect(throws: TrainingError.self) { try resume(other) }
    #expect(String(describing: error!).contains("quantizer.type"))
  }

  @Test func whatDoesNotShapeTheResultMayChange() throws {
    var other = run
    other.description = "the same, told otherwise"
    other.monitor.logEvery = 3
    other.monitor.samples = 0
    other.data.cacheMegabytes = 1
    other.training.steps = 3
    try resume(other)
    #expect(try Checkpoint(folder: folder).readConfiguration().description == other.description)
  }

  @Test func otherImagesAreRefused() throws {
    try FileManager.default.copyItem(
      atPath: small.data + "/100.png", toPath: small.data + "/100 again.png")
    #expect(
      throws: TrainingError.otherImages(
        folder: folder, change: TrainingSetChange(new: ["100 again.png"]))
    ) { try resume() }
  }

  /// Files come from elsewhere: a number of steps that no run can reach must not be computed with.
  @Test(arguments: ["9223372036854775807", "1000000000001", "-1", "1e3", "", "x"])
  func aStepThatNoRunReachesIsNone(_ text: String) {
    #expect(Checkpoint.step(in: ["step": text]) == nil)
    #expect(Checkpoint.step(in: ["step": "1000000000000"]) == TrainingConfiguration.mostSteps)
    #expect(Checkpoint.step(in: [:]) == nil)
  }

  // MARK: What is written

  @Test func theModelHoldsTheWeightsAndTheStateAlsoTheMoments() throws {
    let (model, state) = (
      try SafetensorsFile(path: modelPath), try SafetensorsFile(path: statePath)
    )
    #expect(model.metadata["step"] == "2" && state.metadata["step"] == "2")
    // Weights, two moments, the weights of the first step.
    #expect(state.entries.count { $0.type == .f32 } == 4 * model.entries.count)
    #expect(model.metadata["weights"] == "last")
    for entry in model.entries {
      #expect(
        try model.floats(entry.name) == state.floats("parameters." + entry.name, shape: entry.shape)
      )
    }
    #expect(try Checkpoint(folder: folder).readConfiguration().tokenizer == run.tokenizer)
  }

  @Test func theIdentityIsThatOfTheWeights() throws {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    let read = try Checkpoint(folder: folder).readModel(into: parameters)
    #expect(WeightsHash(parameters) == read)
    let identity = Checkpoint.identity(run.tokenizer, read)
    // The last number and the sign of zero count in every tensor.
    for index in parameters.layout.parameters.indices {
      var numbers = parameters.read(parameter: index)
      let last = numbers[numbers.count - 1]
      for changed in [last.nextUp, -last] {
        numbers[numbers.count - 1] = changed
        parameters.write(numbers, toParameter: index)
        let other = Checkpoint.identity(run.tokenizer, WeightsHash(parameters))
        #expect(identity.fingerprint != other.fingerprint)
      }
      numbers[numbers.count - 1] = last
      parameters.write(numbers, toParameter: index)
    }
    #expect(Checkpoint.identity(run.tokenizer, WeightsHash(parameters)) == identity)
    var tokenizer = run.tokenizer
    tokenizer.model.normGroups = 1
    #expect(Checkpoint.identity(tokenizer, read).fingerprint != identity.fingerprint)
  }

  /// Tensor by tensor, the same bytes as all at once.
  @Test func aStreamedCheckpointHasTheBytesOfAWholeOne() throws {
    for path in [modelPath, statePath] {
      let streamed = try bytes(path)
      let file = try SafetensorsFile(path: path)
      let writer = try SafetensorsWriter(
        path: path,
        tensors: file.entries.map {
          TensorDeclaration(name: $0.name, type: $0.type, shape: $0.shape)
        }, metadata: file.metadata)
      for entry in writer.entries {
        let numbers = try file.withBytes(of: entry) { Array($0) }
        try numbers.withUnsafeBytes { try writer.append($0, to: entry.name) }
      }
      try writer.finish()
      #expect(try bytes(path) == streamed)
    }
  }
}
