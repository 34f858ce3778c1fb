/// Normalizes each group of channels to zero mean and unit variance, then scales and shifts.
///
///     y = activation((x - m) / sqrt(v + epsilon) * scale + shift)
///
/// `x` is `[N, H, W, C]`; the mean `m` and variance `v` (over the count, not the count less one)
/// are taken over H, W and the channels of a group. Yields also `m` and `1 / sqrt(v + epsilon)`,
/// both `[N, groups]`, which the gradient reads. Source: Wu and He, "Group Normalization", 2018.
public struct GroupNormalization: Operator {
  /// What is applied to the normalized value in the same pass over memory.
  public enum Fused: Sendable, Hashable {
    /// Nothing.
    case identity
    /// SiLU, `t * sigmoid(t)`.
    case silu
  }

  /// The number of groups, a divisor of the channels.
  public let groups: Int
  /// What is added to the variance.
  public let epsilon: Float
  /// The activation in the same pass.
  public let activation: Fused

  /// The activation in the same pass.
  public func variant(inputs: [Shape]) -> String {
    activation == .identity ? "" : ", \(activation)"
  }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank >= 2, "needs a batch and channels")
    try require(
      x.channels % groups == 0, "cannot split \(x.channels) channels into \(groups) groups")
    try require(
      inputs[1].shape == [x.channels] && inputs[2].shape == [x.channels],
      "needs a scale and a shift of \(x.channels) elements")
    return [
      OutputDeclaration(x), OutputDeclaration([x[0], groups]), OutputDeclaration([x[0], groups]),
    ]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (x, scale, shift) = (context.inputs[0], context.inputs[1], context.inputs[2])
    let parts = x.graph.append(
      GroupNormalizationGradient(normalization: self),
      [context.gradient, x, scale, shift, context.outputs[1], context.outputs[2]])
    return [parts[0], parts[1], parts[2]]
  }
}

/// The gradients of group normalization with respect to image, scale and shift.
public struct GroupNormalizationGradient: Operator {
  /// The normalization that is differentiated.
  public let normalization: GroupNormalization
  /// Whether a last input is added to the gradient of the image: what came to it another way.
  public var hasAddend = false

  init(normalization: GroupNormalization) {
    self.normalization = normalization
  }

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The gradients of scale and shift can.
  public func accumulates(output: Int) -> Bool { output > 0 }

  /// The activation in the same pass.
  public func variant(inputs: [Shape]) -> String { normalization.variant(inputs: inputs) }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let channels = OutputDeclaration([inputs[1].shape.channels])
    return [inputs[1], channels, channels]
  }
}

/// The normalized image again, from the image and the moments that the normalization yielded.
///
/// Inputs: image, scale, shift, mean, reciprocal deviation.
public struct GroupNormalizationRecomputation: Operator {
  /// The normalization that is repeated.
  public let normalization: GroupNormalization

  /// The activation in the same pass.
  public func variant(inputs: [Shape]) -> String { normalization.variant(inputs: inputs) }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// This image, normalized over groups of channels.
  public func groupNormalized(
    groups: Int, scale: Tensor, shift: Tensor, epsilon: Float,
    activation: GroupNormalization.Fused = .identity
  ) -> Tensor {
    apply(
      GroupNormalization(groups: groups, epsilon: epsilon, activation: activation),
      scale, shift)
  }
}
