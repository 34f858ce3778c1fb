import Autodiff

/// Vector quantization by direction: each vector becomes the code with the largest cosine to it.
///
///     u = z / |z|,  k = argmax over j of u . e_j / |e_j|,  q = e_k / |e_k|
///     loss = codebookWeight |q - sg(u)|^2 + commitmentWeight |u - sg(q)|^2
///
/// The decoder sees codes of length 1, and gradients go through both normalizations. On the sphere
/// the nearest code is that with the largest cosine. Source: Yu et al., "Vector-quantized image
/// modeling with improved VQGAN", 2110.04627.
public struct CosineQuantizer: Bottleneck {
  let codebook: Tensor
  let configuration: CosineConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameter `embedding.weight` is the codebook `[K, d]`, whose rows may have any length.
  public init(_ configuration: CosineConfiguration, in scope: Scope) {
    self.configuration = configuration
    let entries = configuration.codebook
    codebook = scope["embedding"].parameter(
      "weight", [entries.size, entries.dimension],
      .normal(deviation: 1 / Float(entries.dimension).squareRoot()),
      isTrained: entries.learnsByGradient)
  }

  /// The number of different tokens.
  public var codebookSize: Int { configuration.codebook.size }

  /// Replaces each vector by the code nearest in direction.
  public func quantize(_ z: Tensor) -> Quantized {
    let directions = z.rowNormalized()
    let indices = directions.nearestCodes(in: codebook.rowNormalized())
    let replace = CodeReplacement(configuration: configuration.codebook)
    return replace(directions, by: codes(of: indices), at: indices)
  }

  /// The directions of vectors: what codes would be if there were one for each.
  public func continuous(_ z: Tensor) -> Tensor { z.rowNormalized() }

  /// The codebook's entries at the tokens, as directions.
  public func codes(of indices: Tensor) -> Tensor {
    codebook.gathered(at: indices).rowNormalized()
  }
}
