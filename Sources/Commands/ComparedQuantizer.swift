import Diagnostics
import Evaluation
import Execution
import Foundation
import Inference
import Reports
import Tokenizers

/// What a comparison asks of a quantizer's configuration.
///
/// Each kind answers below; ``QuantizerConfiguration/compared`` is the only place that distinguishes
/// the kinds.
protocol ComparedQuantizer {
  /// What reports know of it.
  var presentation: QuantizerPresentation { get }
  /// What a verdict rests on, from the weights and the usage at each depth.
  func bottleneck(_ weights: QuantizerWeights, _ usage: [CodebookUsage])
    -> HealthEvidence.Bottleneck
  /// Vectors before quantization, `[n, d]`, and codes in a plane; nil where they share no space.
  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane?
}

extension QuantizerConfiguration {
  /// The configuration of the kind, as comparisons see it.
  var compared: any ComparedQuantizer {
    switch self {
    case .fsq(let configuration): configuration
    case .vq(let configuration): configuration
    case .cosine(let configuration): configuration
    case .simvq(let configuration): configuration
    case .lfq(let configuration): configuration
    case .bsq(let configuration): configuration
    case .product(let configuration): configuration
    case .residual(let configuration): configuration
    case .residualFSQ(let configuration): configuration
    }
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

// MARK: - Codebooks of vectors

/// A quantizer that is judged by one codebook in the space of the vectors.
protocol OneCodebook: ComparedQuantizer {
  var codebook: CodebookConfiguration { get }
  /// The codebook's vectors, `[K, d]`.
  func entries(_ weights: QuantizerWeights) -> [Float]
}

extension OneCodebook {
  func entries(_ weights: QuantizerWeights) -> [Float] { weights.codes }

  func bottleneck(
    _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck {
    let (entries, dimension) = (entries(weights), codebook.dimension)
    return .vector(
      codebook: VectorSpread(entries, dimension: dimension),
      usedCodes: VectorSpread(
        usage[0].usedCodes.flatMap { entries[$0 * dimension..<($0 + 1) * dimension] },
        dimension: dimension))
  }

  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane? {
    CodePlane(
      vectors: latents, codebook: entries(weights), dimension: codebook.dimension,
      counts: usage[0].counts)
  }
}

extension VectorConfiguration: OneCodebook {
  var presentation: QuantizerPresentation {
    .vq(
      codes: codebook.size, dimension: codebook.dimension, gradient: codebook.gradient.rawValue,
      isKeptAlive: codebook.isKeptAlive)
  }
}

extension CosineConfiguration: OneCodebook {
  var presentation: QuantizerPresentation {
    .cosineVQ(
      codes: codebook.size, dimension: codebook.dimension, gradient: codebook.gradient.rawValue,
      isKeptAlive: codebook.isKeptAlive)
  }
}

extension SimVQConfiguration: OneCodebook {
  var presentation: QuantizerPresentation {
    .simVQ(
      codes: codebook.size, dimension: codebook.dimension, gradient: codebook.gradient.rawValue)
  }
}

extension ProductConfiguration: ComparedQuantizer {
  var presentation: QuantizerPresentation {
    .productVQ(
      groups: groups, codes: codebook.size, dimension: codebook.dimension,
      gradient: codebook.gradient.rawValue,
      isKeptAlive: codebook.isKeptAlive)
  }

  /// The codebooks of the groups side by side, entry by entry.
  func bottleneck(
    _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck {
    let tables = weights.tables
    let width = codebook.dimension / groups
    func sideBySide(_ entries: [[Int]]) -> VectorSpread {
      var vectors: [Float] = []
      for row in 0..<(entries.map(\.count).max() ?? 0) {
        for (table, entries) in zip(tables, entries) where !entries.isEmpty {
          // A group that uses fewer of its entries than another repeats them.
          let start = entries[row % entries.count] * width
          vectors += table[start..<start + width]
        }
      }
      return VectorSpread(vectors, dimension: codebook.dimension)
    }
    return .vector(
      codebook: sideBySide(tables.map { _ in Array(0..<codebook.size) }),
      usedCodes: sideBySide(usage.map(\.usedCodes)))
  }

  /// Groups of channels have no codes in one space.
  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane? { nil }
}

/// A residual quantizer is judged by its first codebook, which carries most of a vector.
extension ResidualConfiguration: OneCodebook {
  var presentation: QuantizerPresentation {
    .residualVQ(
      depth: depth, codes: codebook.size, dimension: codebook.dimension,
      gradient: codebook.gradient.rawValue,
      isKeptAlive: codebook.isKeptAlive)
  }

  func entries(_ weights: QuantizerWeights) -> [Float] { weights.tables[0] }
}

extension CodebookConfiguration {
  /// Whether codes that fall out of use come back.
  fileprivate var isKeptAlive: Bool { upkeep.reviveEvery > 0 }
}

// MARK: - Scalars and signs

extension FiniteScalarConfiguration: ComparedQuantizer {
  var presentation: QuantizerPresentation { .fsq(levels: levels, bound: bound.rawValue) }

  func bottleneck(
    _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck {
    .finiteScalar(levels: LevelUse(usage[0], levels: levels), levelWidths: levelWidths)
  }

  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane? {
    CodePlane(digits: digits(latents), levels: levels)
  }

  /// Latents bounded on the scale of their digits, as ``FiniteScalarQuantizer`` rounds them.
  ///
  ///     sigmoid  (L - 1) sigmoid(z)
  ///     ifsq     (L - 1) sigmoid(1.6 z)
  ///     tanh     tanh(z + shift) half - offset + floor(L / 2),  half = 0.999 (L - 1) / 2,
  ///              offset = 1/2 and shift = tan(offset / half) for even L, else 0
  func digits(_ latents: [Float]) -> [Float] {
    latents.enumerated().map { index, latent in
      let count = levels[index % levels.count]
      let (z, top) = (Double(latent), Double(count - 1))
      switch bound {
      case .sigmoid: return Float(top / (1 + exp(-z)))
      case .ifsq: return Float(top / (1 + exp(-1.6 * z)))
      case .tanh:
        let half = top * (1 - 1e-3) / 2
        let offset = count.isMultiple(of: 2) ? 0.5 : 0
        return Float(tanh(z + tan(offset / half)) * half - offset + Double(count / 2))
      }
    }
  }
}

/// The first depth stands for all: it carries most of a vector.
extension ResidualFiniteScalarConfiguration: ComparedQuantizer {
  var presentation: QuantizerPresentation {
    .residualFSQ(depth: depth, levels: scalar.levels, bound: scalar.bound.rawValue)
  }

  func bottleneck(
    _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck { scalar.bottleneck(weights, usage) }

  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane? { scalar.plane(latents, weights, usage) }
}

/// A quantizer of signs.
protocol SignQuantizer: ComparedQuantizer {
  var binary: BinaryConfiguration { get }
}

extension SignQuantizer {
  /// A sign has no width: how far vectors lie apart says nothing of their bits.
  func bottleneck(
    _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck {
    .finiteScalar(
      levels: LevelUse(usage[0], levels: Array(repeating: 2, count: binary.bits)),
      levelWidths: [])
  }

  /// Signs have no scale; what is near 0 is near the boundary between 0 and 1.
  func plane(
    _ latents: [Float], _ weights: QuantizerWeights, _ usage: [CodebookUsage]
  ) -> CodePlane? {
    CodePlane(
      digits: latents.map { 1 / (1 + exp(-2 * $0)) },
      levels: Array(repeating: 2, count: binary.bits))
  }
}

extension LookupFreeConfiguration: SignQuantizer {
  var presentation: QuantizerPresentation { .lfq(bits: binary.bits) }
}

extension BinarySphericalConfiguration: SignQuantizer {
  var presentation: QuantizerPresentation { .bsq(bits: binary.bits) }
}
