import Autodiff
import CPUBackend
import Configuration
import Datasets
import Execution
import Imaging
import Inference
import Safetensors
import Testing
import Tokenizers
import Training

/// A run of the same four pictures in every step, and what its checkpoints say of its codebook.
enum CodebookSteps {
  static let codebook = "quantize.embedding.weight"
  static let (codes, dimension, tokens) = (24, 4, 4 * 16)
  static let share = Double(tokens) / Double(codes)

  /// A run whose every batch is the same four pictures, whole and unmirrored, in some order.
  static func run(
    _ small: SmallRun, steps: Int, _ upkeep: CodebookUpkeep,
    _ optimizer: OptimizerConfiguration = .adam(AdamConfiguration(learningRate: 3e-3))
  ) -> RunConfiguration {
    var run = SmallRun.fsq(data: small.data, steps: steps)
    run.data.crop = .centre
    run.data.flip = false
    run.data.validation = small.data
    run.quantizer = .vq(
      VectorConfiguration(
        codebookSize: codes, codeDimension: dimension, initialization: .normal, upkeep: upkeep))
    run.training.optimizer = optimizer
    run.training.schedule = .constant(WarmupConfiguration())
    run.monitor.checkpointEvery = 1
    return run
  }

  /// The tensors of a state by name.
  static func state(_ folder: String) throws -> [String: [Float]] {
    let file = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    return Dictionary(
      uniqueKeysWithValues: try file.entries.filter { $0.type == .f32 }.map {
        ($0.name, try file.floats($0.name))
      })
  }

  /// The moving averages in a state: uses, then sums.
  static func averages(_ folder: String) throws -> [Double] {
    let file = try SafetensorsFile(path: folder + "/" + Checkpoint.stateFile)
    let entry = try #require(file.entries.first { $0.name == "numbers.codebook" })
    return try file.withBytes(of: entry) { bytes in
      (0..<entry.elementCount).map { bytes.loadUnaligned(fromByteOffset: $0 * 8, as: Double.self) }
    }
  }

  /// The vectors that weights make of the first pictures, each with its code; nil for first weights.
  static func assignments(
    _ run: RunConfiguration, _ weights: [String: [Float]]?, pictures: Int = 4, side: Int = 8
  ) throws -> [(vector: [Float], code: Int)] {
    try tokens(run, weights, pictures: pictures, side: side).map { ($0.vector, $0.indices[0]) }
  }

  /// The parameters of a run before its first step, by name, where none come from pictures.
  static func firstParameters(_ run: RunConfiguration) -> [String: [Float]] {
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: UInt64(run.training.seed))
    return Dictionary(
      uniqueKeysWithValues: parameters.layout.parameters.indices.map {
        ("parameters." + parameters.layout.parameters[$0].name, parameters.read(parameter: $0))
      })
  }

  /// The vectors that weights make of the first pictures, each with all its indices.
  static func tokens(
    _ run: RunConfiguration, _ weights: [String: [Float]]?, pictures: Int = 4, side: Int = 8
  ) throws -> [(vector: [Float], indices: [Int])] {
    let depth = run.quantizer.depth
    let parameters = ParameterMemory(
      Codec<CPUBackend>.parameterLayout(run.tokenizer), on: CPUBackend())
    parameters.initialize(seed: UInt64(run.training.seed))
    for (index, parameter) in parameters.layout.parameters.enumerated() {
      if let numbers = weights?["parameters." + parameter.name] {
        parameters.write(numbers, toParameter: index)
      }
    }
    let codec = Codec(
      run.tokenizer, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    return try codec.reconstruct((0..<pictures).map { SmallRun.picture($0, side: side) }).flatMap {
      result in
      (0..<result.latents.count / dimension).map { token in
        (
          Array(result.latents[token * dimension..<(token + 1) * dimension]),
          result.tokens.indices[token * depth..<(token + 1) * depth].map { Int($0) }
        )
      }
    }
  }

  /// The rows of a codebook whose codes have so many numbers.
  static func rows(_ numbers: [Float]?, _ dimension: Int = dimension) throws -> [[Float]] {
    let numbers = try #require(numbers)
    return (0..<numbers.count / dimension).map {
      Array(numbers[$0 * dimension..<($0 + 1) * dimension])
    }
  }

  // MARK: Quantizers with several codebooks

  static let (depth, depthCodes) = (2, 12)

  /// A small quantizer of a kind, whose codes are drawn.
  static func quantizer(_ kind: String, _ upkeep: CodebookUpkeep) -> QuantizerConfiguration {
    let codes = depthCodes
    switch kind {
    case "vq":
      return .vq(
        VectorConfiguration(
          codebookSize: codes, codeDimension: 4, initialization: .normal, upkeep: upkeep))
    case "cosine-vq":
      return .cosine(
        CosineConfiguration(
          codebookSize: codes, codeDimension: 4, initialization: .normal, upkeep: upkeep))
    case "product-vq":
      return .product(
        ProductConfiguration(
          groups: depth, codebookSize: codes, codeDimension: 4, initialization: .normal,
          upkeep: upkeep))
    default:
      return .residual(
        ResidualConfiguration(
          depth: depth, codebookSize: codes, codeDimension: 4, initialization: .normal,
          upkeep: upkeep))
    }
  }

  /// The name in a state of the codebook of a group or depth.
  static func codebook(at depth: Int) -> String {
    "parameters.quantize.\(depth).embedding.weight"
  }

  /// What the codebook of a depth is compared with, by the codebooks of a state.
  static func part(
    _ kind: String, _ token: (vector: [Float], indices: [Int]), _ depth: Int,
    _ state: [String: [Float]]
  ) throws -> [Float] {
    if kind == "product-vq" { return Array(token.vector[depth * 2..<depth * 2 + 2]) }
    var rest = token.vector
    for before in 0..<depth {
      let code = try rows(state[codebook(at: before)])[token.indices[before]]
      for channel in rest.indices { rest[channel] -= code[channel] }
    }
    return rest
  }
}
