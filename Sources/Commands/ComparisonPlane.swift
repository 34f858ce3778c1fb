import Evaluation
import Foundation
import Reports
import Tokenizers

/// A run's vectors and codes in a plane.
enum ComparisonPlane {
  /// Images whose vectors are shown.
  static var images: Int { 8 }

  /// The plane of latents `[n, d]`; the codebook is `[K, d]`, empty for finite scalar quantization.
  ///
  /// Of a residual quantizer, its first depth; nil for groups of channels, which have no codes in one
  /// space.
  static func plane(
    _ configuration: QuantizerConfiguration, latents: [Float], codebook: [Float],
    usage: CodebookUsage
  ) -> CodePlane? {
    switch configuration {
    case .product: nil
    case .vq, .cosine, .simvq, .residual:
      CodePlane(
        vectors: latents, codebook: codebook, dimension: configuration.codeDimension,
        counts: usage.counts)
    case .fsq(let fsq): CodePlane(digits: digits(latents, fsq), levels: fsq.levels)
    case .residualFSQ(let residual):
      CodePlane(digits: digits(latents, residual.scalar), levels: residual.scalar.levels)
    case .lfq, .bsq:
      // Signs have no scale; what is near 0 is near the boundary between 0 and 1.
      CodePlane(
        digits: latents.map { 1 / (1 + exp(-2 * $0)) },
        levels: Array(repeating: 2, count: configuration.codeDimension))
    }
  }

  /// Latents bounded on the scale of their digits, as ``FiniteScalarQuantizer`` rounds them.
  ///
  ///     sigmoid  (L - 1) sigmoid(z)
  ///     ifsq     (L - 1) sigmoid(1.6 z)
  ///     tanh     tanh(z + shift) half - offset + floor(L / 2),  half = 0.999 (L - 1) / 2,
  ///              offset = 1/2 and shift = tan(offset / half) for even L, else 0
  static func digits(_ latents: [Float], _ configuration: FiniteScalarConfiguration) -> [Float] {
    let levels = configuration.levels
    return latents.enumerated().map { index, latent in
      let count = levels[index % levels.count]
      let (z, top) = (Double(latent), Double(count - 1))
      switch configuration.bound {
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
