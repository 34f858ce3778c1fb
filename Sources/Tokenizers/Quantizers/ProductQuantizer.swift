import Autodiff

/// Product (grouped) vector quantization: the channels fall into groups, each with a codebook of its
/// own.
///
///     z = (z_1, ..., z_G),  k_g = argmin over j of |z_g - e_g,j|^2,  q = (e_1,k_1, ..., e_G,k_G)
///     loss = sum over g of codebookWeight |q_g - sg(z_g)|^2 + commitmentWeight |z_g - sg(q_g)|^2
///
/// A token is G indices, group 0 first; K^G codes come from G K entries. Codebooks that follow moving
/// averages have no term of their own. Source: Jégou et al.,
/// "Product quantization for nearest neighbor search", 2011.
public struct ProductQuantizer: Bottleneck {
  let codebooks: [Tensor]
  let configuration: ProductConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameters `g.embedding.weight` are the codebooks `[K, d / G]` of the groups g.
  public init(_ configuration: ProductConfiguration, in scope: Scope) {
    self.configuration = configuration
    let (entries, dimension) = (configuration.codebook, configuration.groupDimension)
    codebooks = (0..<configuration.groups).map {
      scope[String($0)]["embedding"].parameter(
        "weight", [entries.size, dimension],
        entries.initializer(otherwise: .normal(deviation: 1 / Float(dimension).squareRoot())),
        isTrained: entries.learnsByGradient)
    }
  }

  /// The number of different values of one index.
  public var codebookSize: Int { configuration.codebook.size }
  /// The number of groups.
  public var depth: Int { configuration.groups }

  /// Replaces each group of channels by the nearest code of the group.
  public func quantize(_ z: Tensor) -> Quantized {
    let width = configuration.groupDimension
    let indices = codebooks.enumerated().map { group, codebook in
      z.channels(group * width..<(group + 1) * width).nearestCodes(in: codebook)
    }
    let replace = CodeReplacement(configuration: configuration.codebook)
    let tokens = TokenDepth.stacked(indices)
    return replace(z, by: codes(at: indices), at: tokens)
  }

  /// The codes of all groups side by side.
  public func codes(of indices: Tensor) -> Tensor { codes(at: TokenDepth.separated(indices)) }

  private func codes(at indices: [Tensor]) -> Tensor {
    .concatenatingChannels(of: zip(codebooks, indices).map { $0.gathered(at: $1) })
  }
}
