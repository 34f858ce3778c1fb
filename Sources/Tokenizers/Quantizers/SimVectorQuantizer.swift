import Autodiff

/// Vector quantization with codes that are all one linear map of a frozen random codebook.
///
///     e_j = W c_j,  k = argmin over j of |z - e_j|^2,  q = e_k
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// C is drawn once, N(0, 1 / d), and never moves; W learns from every token, so that codes which win
/// none move along. The codes to search among depend on parameters alone, and are computed once an
/// update. Source: Zhu et al., "Addressing representation collapse in vector quantized models with
/// one linear layer", 2411.02038.
public struct SimVectorQuantizer: Bottleneck {
  let codebook: Tensor
  let map: Tensor
  let configuration: SimVQConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameter `embedding.weight` is the frozen C `[K, d]`, `embedding_proj.weight` is W, in a
  /// checkpoint `[d, d]`, output channel first.
  public init(_ configuration: SimVQConfiguration, in scope: Scope) {
    self.configuration = configuration
    let dimension = configuration.codebook.dimension
    codebook = scope["embedding"].parameter(
      "weight", [configuration.codebook.size, dimension],
      .normal(deviation: 1 / Float(dimension).squareRoot()), isTrained: false)
    map = scope["embedding_proj"].parameter(
      "weight", [1, 1, dimension, dimension], .orthogonal, layout: .linear)
  }

  /// The number of different tokens.
  public var codebookSize: Int { configuration.codebook.size }

  /// Replaces each vector by its nearest code.
  public func quantize(_ z: Tensor) -> Quantized {
    let indices = z.nearestCodes(in: mapped(codebook))
    let replace = CodeReplacement(configuration: configuration.codebook)
    return replace(z, by: codes(of: indices), at: indices)
  }

  /// The mapped entries of the codebook at the tokens.
  ///
  /// Mapped again, and not taken from all codes, so that the gradient of W costs as much as there are
  /// tokens, not codes.
  public func codes(of indices: Tensor) -> Tensor {
    mapped(codebook.gathered(at: indices))
  }

  /// W applied to each row.
  private func mapped(_ rows: Tensor) -> Tensor {
    let shape = rows.shape
    return rows.reshaped([1, shape.rows, 1, shape.channels])
      .convolved(with: map, bias: nil, Convolution()).reshaped(shape)
  }
}
