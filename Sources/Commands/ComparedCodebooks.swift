import Diagnostics
import Evaluation
import Reports
import Tokenizers

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
