import Diagnostics
import Evaluation
import Execution
import Tokenizers

extension HealthEvidence.Bottleneck {
  /// What is known of a bottleneck whose tokens have several indices.
  ///
  /// Of a residual quantizer, its first codebook, in which most of a vector is told; of a product
  /// quantizer, the codebooks of its groups side by side, entry by entry.
  static func ofSeveralIndices(
    _ quantizer: QuantizerConfiguration, _ parameters: ParameterMemory<Device>,
    _ usage: [CodebookUsage]
  ) -> HealthEvidence.Bottleneck {
    if case .residualFSQ(let residual) = quantizer {
      return .finiteScalar(
        levels: LevelUse(usage[0], levels: residual.scalar.levels),
        levelWidths: residual.scalar.levelWidths)
    }
    var names = Tokenizer.codebookNames(quantizer)
    if case .residual = quantizer { names.removeLast(names.count - 1) }
    let tables = names.map { parameters.read(parameter: parameters.layout.index(of: $0)!) }
    let width = quantizer.codeDimension / tables.count
    func sideBySide(_ entries: [[Int]]) -> VectorSpread {
      let rows = entries.map(\.count).max() ?? 0
      var vectors: [Float] = []
      for row in 0..<rows {
        for (table, entries) in zip(tables, entries) where !entries.isEmpty {
          // A group that uses fewer of its entries than another repeats them.
          let start = entries[row % entries.count] * width
          vectors += table[start..<start + width]
        }
      }
      return VectorSpread(vectors, dimension: quantizer.codeDimension)
    }
    let all = tables.map { _ in Array(0..<quantizer.codebookSize) }
    let used = zip(tables, usage).map { _, usage in
      usage.counts.indices.filter { usage.counts[$0] > 0 }
    }
    return .vector(codebook: sideBySide(all), usedCodes: sideBySide(used))
  }
}
