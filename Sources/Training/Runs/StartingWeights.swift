import Files
import Autodiff
import Execution
import Inference
import Safetensors
import TokenFiles
import Tokenizers

/// The weights of a checkpoint, to begin a new run with: fine-tuning.
///
/// Weights alone are taken over: the optimizer, the averages and the step start over.
public struct StartingWeights: Sendable, Equatable {
  /// The checkpoint.
  public let checkpoint: Checkpoint
  /// Its configuration.
  public let configuration: RunConfiguration
  /// Which of its weights, a file's name.
  public let file: String

  /// The weights of a checkpoint's folder.
  public init(folder: String, file: String = Checkpoint.modelFile) throws {
    checkpoint = Checkpoint(folder: folder)
    configuration = try checkpoint.readConfiguration()
    self.file = file
  }

  /// Reads the weights over those that were drawn.
  ///
  /// Tensors of the quantizer that the checkpoint does not have stay as they are, as where one with a
  /// codebook follows one without; all others must be there, and have the same shapes, and so must those
  /// of a frozen quantizer.
  func load<B: Backend>(
    into parameters: ParameterMemory<B>, _ run: RunConfiguration
  ) throws -> Checkpoint.Origin {
    let opened = try checkpoint.open(file)
    let names = Set(opened.entries.map(\.name))
    let codebooks = Tokenizer.codebookNames(run.quantizer)
    try checkShapes(
      of: parameters.layout, in: opened,
      needsQuantizer: run.training.freeze.contains(.quantizer))
    for (index, parameter) in parameters.layout.parameters.enumerated()
    where names.contains(parameter.name) {
      do {
        try opened.withFloats(parameter.name, shape: parameter.fileShape.dimensions) {
          parameters.write($0, toParameter: index)
        }
      } catch { throw TrainingError(error) }
    }
    if let name = parameters.firstNonFinite() {
      throw TrainingError.damaged(
        file: checkpoint.path(file), reason: "\"\(name)\" holds a number that is not finite")
    }
    let hash = try hash(of: opened, B.self)
    let fingerprint = Checkpoint.identity(configuration.tokenizer, hash).fingerprint
    return Checkpoint.Origin(
      folder: checkpoint.folder, fingerprint: fingerprint,
      step: Checkpoint.step(in: opened.metadata) ?? 0,
      weights: opened.metadata["weights"] ?? "last",
      hasCodebooks: codebooks.allSatisfy(names.contains),
      tokensOf: run.keepsTokens(of: configuration)
        ? [fingerprint] + Checkpoint.keptTokens(in: opened, configuration.tokenizer, hash) : [])
  }

  /// Refuses weights of another architecture, and says which tensors differ.
  private func checkShapes(
    of layout: ParameterLayout, in opened: SafetensorsFile, needsQuantizer: Bool
  ) throws(TrainingError) {
    let shapes = Dictionary(
      opened.entries.map { ($0.name, $0.shape) }, uniquingKeysWith: { first, _ in first })
    var differences: [String] = []
    for parameter in layout.parameters {
      let needed = parameter.fileShape.dimensions
      if let found = shapes[parameter.name] {
        guard found != needed else { continue }
        differences.append(
          "tensor \"\(parameter.name)\" has shape \(found), and the model needs \(needed)")
      } else if needsQuantizer || !parameter.name.hasPrefix("quantize.") {
        differences.append(
          "it has no tensor \"\(parameter.name)\", which the model needs with shape \(needed)")
      }
    }
    guard !differences.isEmpty else { return }
    var reason = differences.prefix(3).joined(separator: "; ")
    if differences.count > 3 { reason += "; \(differences.count - 3) more tensors differ" }
    if !configuration.model.compression.isEmpty {
      reason += ". It is compressed (model.compression in its config.json)"
    }
    throw .doesNotFit(file: checkpoint.path(file), reason: reason)
  }

  /// The hash of the weights, which token files know the checkpoint by.
  private func hash<B: Backend>(
    of opened: SafetensorsFile, _ backend: B.Type
  ) throws -> WeightsHash {
    var hash = WeightsHash()
    for parameter in Codec<B>.parameterLayout(configuration.tokenizer).parameters {
      do {
        try opened.withFloats(parameter.name, shape: parameter.fileShape.dimensions) {
          hash.add($0, of: parameter.name)
        }
      } catch { throw TrainingError(error) }
    }
    return hash
  }
}

/// A hash of a model's weights: of each tensor's numbers as a checkpoint holds them, and then of
/// these hashes, in the order in which the model declares its parameters.
///
/// So it does not depend on how weights lie in memory or in which order a file holds them, and
/// whoever reads a checkpoint takes it on the way.
public struct WeightsHash: Equatable, Sendable {
  private var tensors: [UInt64] = []
  /// Those of the tensors that turn images into tokens.
  private var encoders: [UInt64] = []

  /// The hash of no weights.
  init() {}

  /// The hash of weights in memory.
  public init<B: Backend>(_ parameters: ParameterMemory<B>) {
    for (index, parameter) in parameters.layout.parameters.enumerated() {
      parameters.read(parameter: index).withUnsafeBufferPointer { add($0, of: parameter.name) }
    }
  }

  /// Goes on with the next parameter's numbers, in the order of a checkpoint.
  mutating func add(_ numbers: UnsafeBufferPointer<Float>, of name: String) {
    tensors.append(Fingerprint.hash(UnsafeRawBufferPointer(numbers)))
    if TokenizerPart(ofParameter: name) != .decoder { encoders.append(tensors[tensors.count - 1]) }
  }

  /// All in 64 bits.
  public var value: UInt64 { Fingerprint.hash(of: tensors) }

  /// The same of a tokenizer's encoder and quantizer alone.
  var encoding: UInt64 { Fingerprint.hash(of: encoders) }
}
