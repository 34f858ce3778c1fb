/// The bit of each element: 1 where it is above 0, else 0, and NaN where it is not finite.
///
/// It has no gradient; a quantizer passes its own by an estimator.
public struct SignBits: Operator {
  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// 1 where an element is above 0, else 0.
  public func signBits() -> Tensor { apply(SignBits()) }
}

// MARK: - Entropy of bits

/// The mean over vectors of the entropy of their bits, in nats: a scalar.
///
///     p_d = sigmoid(scale z_d)        mean over vectors of sum over d of h(p_d)
///
/// `z` is `[..., bits]`. The distribution over codes in proportion to `exp(-|z - c|^2 / temperature)`,
/// with every element of a code `+length` or `-length`, is that of independent bits with a scale of
/// `4 length / temperature`, so that no table of codes is needed.
public struct EntropyOfBits: Operator {
  /// The factor of z under the logistic function.
  public let scale: Float

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape.rank >= 1, "needs vectors")
    return [OutputDeclaration(.scalar)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(EntropyOfBitsGradient(entropy: self), context.inputs[0])]
  }
}

/// The gradient of the mean entropy of bits, from the upstream gradient and the vectors.
public struct EntropyOfBitsGradient: Operator {
  /// The entropy that is differentiated.
  public let entropy: EntropyOfBits

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

/// The entropy, in nats, of the mean over vectors of the distribution of their bits: a scalar, summed
/// over groups of neighbouring bits, within each of which all 2^group codes are told apart.
///
/// Yields also the mean distributions `[groups, 2^group]`, which the gradient reads. With one group
/// this is the entropy of the mean distribution over all codes; with more, an upper bound of it.
/// Source: Zhao et al., "Image and video tokenization with binary spherical quantization", 2406.07548.
public struct EntropyOfMeanBits: Operator {
  /// The factor of z under the logistic function.
  public let scale: Float
  /// Bits to a group; the last may have fewer.
  public let group: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let bits = inputs[0].shape.channels
    try require(group >= 1 && group <= bits, "cannot split \(bits) bits into groups of \(group)")
    return [
      OutputDeclaration(.scalar), OutputDeclaration([(bits + group - 1) / group, 1 << group]),
    ]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let rule = EntropyOfMeanBitsGradient(entropy: self)
    return [context.gradient.apply(rule, context.inputs[0], context.outputs[1])]
  }
}

/// The gradient of the entropy of mean bits, from the upstream gradient, the vectors and the mean
/// distributions.
public struct EntropyOfMeanBitsGradient: Operator {
  /// The entropy that is differentiated.
  public let entropy: EntropyOfMeanBits

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

extension Tensor {
  /// The mean over these vectors of the entropy of their bits.
  public func entropyOfBits(scale: Float) -> Tensor {
    apply(EntropyOfBits(scale: scale))
  }

  /// The entropy of the mean distribution of these vectors' bits, in groups.
  public func entropyOfMeanBits(scale: Float, group: Int) -> Tensor {
    apply(EntropyOfMeanBits(scale: scale, group: group))
  }
}
