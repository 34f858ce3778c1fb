import Diagnostics
import Evaluation
import Execution
import Inference
import Reports
import Tokenizers

/// What a comparison makes of a run's vectors and codes.
struct ComparedQuantizer {
  let quantizer: any Quantizer
  let weights: QuantizerWeights
  /// The usage at each depth.
  let usage: [CodebookUsage]

  /// What a verdict rests on.
  var bottleneck: HealthEvidence.Bottleneck {
    if let levels = quantizer.digitLevels {
      return .finiteScalar(
        levels: LevelUse(usage[0], levels: levels), levelWidths: quantizer.levelWidths)
    }
    if case .groups(let width) = quantizer.arrangement {
      return .vector(
        codebook: sideBySide(weights.tables.map { _ in Array(0..<quantizer.codebookSize) }, width),
        usedCodes: sideBySide(usage.map(\.usedCodes), width))
    }
    let (entries, dimension) = (entries, quantizer.codeDimension)
    return .vector(
      codebook: VectorSpread(entries, dimension: dimension),
      usedCodes: VectorSpread(
        usage[0].usedCodes.flatMap { entries[$0 * dimension..<($0 + 1) * dimension] },
        dimension: dimension))
  }

  /// Vectors before quantization, `[n, d]`, and codes in a plane; nil where they share no space.
  func plane(_ latents: [Float]) -> CodePlane? {
    if let levels = quantizer.digitLevels {
      return CodePlane(digits: quantizer.digits(of: latents), levels: levels)
    }
    if case .groups = quantizer.arrangement { return nil }
    return CodePlane(
      vectors: latents, codebook: entries, dimension: quantizer.codeDimension,
      counts: usage[0].counts)
  }

  /// The codebook in the space of the vectors, `[K, d]`: of several the first, which carries most of a
  /// vector.
  private var entries: [Float] {
    quantizer.arrangement == .single ? weights.codes : weights.tables[0]
  }

  /// Entries of the groups' codebooks side by side.
  private func sideBySide(_ entries: [[Int]], _ width: Int) -> VectorSpread {
    let tables = weights.tables
    var vectors: [Float] = []
    for row in 0..<(entries.map(\.count).max() ?? 0) {
      for (table, entries) in zip(tables, entries) where !entries.isEmpty {
        // A group that uses fewer of its entries than another repeats them.
        let start = entries[row % entries.count] * width
        vectors += table[start..<start + width]
      }
    }
    return VectorSpread(vectors, dimension: quantizer.codeDimension)
  }
}

/// The codebooks in a checkpoint's weights, read when they are asked for.
final class QuantizerWeights {
  private let configuration: TokenizerConfiguration
  private let parameters: ParameterMemory<Device>

  /// Weights of a tokenizer.
  init(_ configuration: TokenizerConfiguration, _ parameters: ParameterMemory<Device>) {
    self.configuration = configuration
    self.parameters = parameters
  }

  /// The vectors of all codes, `[K, d]`, of quantizers with one codebook.
  private(set) lazy var codes: [Float] = parameters.codes(of: configuration)

  /// The codebooks one after another, each `[K, d]`.
  private(set) lazy var tables: [[Float]] = Tokenizer.codebookNames(configuration.quantizer).map {
    parameters.read(parameter: parameters.layout.index(of: $0)!)
  }
}
