// What diffusion models are made of beside products: noise, and normalization by a condition.

// MARK: - Noise

/// Standard normal numbers, `[N, ...]`: a hash of an item's key, of `site` and of the element's place.
///
///     y[n, i] = the quantile of the normal distribution at u        u = hash(key[n], site, i) in (0, 1)
///
/// Keys are indices `[N]`. No state, and the same whatever the lanes; it has no gradient.
public struct NormalNoise: Operator {
  /// The extents of the result.
  public let shape: Shape
  /// What tells this place of the model from others.
  public let site: UInt32

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(
      shape.rank >= 1 && inputs[0].shape == [shape[0]] && inputs[0].type == .index,
      "needs a key an item")
    return [OutputDeclaration(shape)]
  }
}

extension Graph {
  /// Standard normal numbers `[N, ...]`, a function of a key an item, of the site and of the place.
  ///
  /// - Parameters:
  ///   - shape: the extents of the result.
  ///   - site: what tells this place of the model from others.
  ///   - keys: indices `[N]`.
  public func normalNoise(_ shape: Shape, site: UInt32, keys: Tensor) -> Tensor {
    keys.apply(NormalNoise(shape: shape, site: site))
  }
}

// MARK: - Adaptive normalization

/// Normalizes each row to zero mean and unit variance, then scales and shifts it as a condition says.
///
///     y[r, c] = (x[r, c] - m[r]) q[r] (1 + condition[r, C + c]) + condition[r, c]
///     q = 1 / sqrt(variance + epsilon)
///
/// Rows `[..., C]` and their condition `[..., 2 C]`: shift, then scale. Yields also m and q, `[rows, 2]`,
/// which the gradient reads. Source: Peebles and Xie, "Scalable diffusion models with transformers", 2023.
public struct AdaptiveNormalization: Operator {
  /// What is added to the variance.
  public let epsilon: Float

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (x, condition) = (inputs[0].shape, inputs[1].shape)
    try require(
      x.rank >= 1 && condition.rows == x.rows && condition.channels == 2 * x.channels,
      "needs a shift and a scale for each element of a row")
    return [inputs[0], OutputDeclaration([x.rows, 2])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    context.gradient.graph.append(
      AdaptiveNormalizationGradient(),
      [context.gradient, context.inputs[0], context.inputs[1], context.outputs[1]]
    ).map { $0 }
  }
}

/// The gradients of adaptive normalization with respect to rows and condition.
///
/// Inputs: upstream gradient, rows, condition, mean and reciprocal deviation.
public struct AdaptiveNormalizationGradient: Operator {
  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2]]
  }
}

extension Tensor {
  /// Each row `[..., C]` with mean 0 and variance 1, scaled and shifted by a condition `[..., 2 C]`.
  public func normalized(by condition: Tensor, epsilon: Float = 1e-6) -> Tensor {
    apply(AdaptiveNormalization(epsilon: epsilon), condition)
  }

  /// Sines and cosines of these numbers times some frequencies: `[R]` to `[R, 2 F]`.
  ///
  ///     y[r, f] = sin(x[r] w[f])        y[r, F + f] = cos(x[r] w[f])
  ///
  /// How a network sees a time or a noise level. Source: Vaswani et al., "Attention is all you need", 2017.
  public func waves(_ frequencies: [Float]) -> Tensor {
    let none = [Float](repeating: 0, count: frequencies.count)
    let quarter = [Float](repeating: .pi / 2, count: frequencies.count)
    return sine(
      repeated(2 * frequencies.count, at: 1)
        .channelAffine(scale: frequencies + frequencies, offset: none + quarter))
  }
}
