import Autodiff

/// Vector quantization: each vector becomes the nearest entry of a trained codebook.
///
///     k = argmin over j of |z - e_j|^2,  q = e_k
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors. The codebook
/// learns from its own term alone, the reconstruction gradient goes to the encoder, unless the
/// gradient estimator shares it out. A codebook that follows moving averages is no trained parameter,
/// and has no term. Source: van den Oord et al., 1711.00937.
public struct VectorQuantizer: Bottleneck {
  let codebook: Tensor
  let configuration: VectorConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameter `embedding.weight` is the codebook `[K, d]`.
  public init(_ configuration: VectorConfiguration, in scope: Scope) {
    self.configuration = configuration
    let (entries, size) = (configuration.codebook, configuration.codebook.size)
    codebook = scope["embedding"].parameter(
      "weight", [size, entries.dimension],
      entries.initialization == .normal
        ? .normal(deviation: 1) : .uniform(bound: 1 / Float(size)),
      isTrained: entries.learnsByGradient)
  }

  /// The number of different tokens.
  public var codebookSize: Int { configuration.codebook.size }

  /// Replaces each vector by its nearest code.
  public func quantize(_ z: Tensor) -> Quantized {
    let indices = z.nearestCodes(in: codebook)
    let replace = CodeReplacement(configuration: configuration.codebook)
    return replace(z, by: codebook.gathered(at: indices), at: indices)
  }

  /// The codebook's entries at the tokens.
  public func codes(of indices: Tensor) -> Tensor {
    codebook.gathered(at: indices)
  }
}
