import Diagnostics
import Evaluation
import Foundation
import Reports
import Tokenizers

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
