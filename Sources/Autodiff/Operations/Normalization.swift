// MARK: - Group normalization

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
      groups >= 1 && x.channels % groups == 0,
      "cannot split \(x.channels) channels into \(groups) groups")
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
  /// This part of an image, normalized by the mean and reciprocal deviation `[N, groups]` of the whole.
  package func groupNormalized(
    _ normalization: GroupNormalization, scale: Tensor, shift: Tensor, mean: Tensor,
    reciprocalDeviation: Tensor
  ) -> Tensor {
    apply(
      GroupNormalizationRecomputation(normalization: normalization), scale, shift, mean,
      reciprocalDeviation)
  }

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

// MARK: - Root mean square normalization

/// Divides each row by its root mean square, then scales each channel.
///
///     y = x r scale        r = 1 / sqrt(mean over the row of x^2 + epsilon)
///
/// `x` is `[..., C]`, the scale `[C]`. Yields also `r`, one a row, which the gradient reads. Source:
/// Zhang and Sennrich, "Root mean square layer normalization", 2019.
public struct RootMeanSquareNormalization: Operator {
  /// What is added to the mean square.
  public let epsilon: Float

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank >= 1 && x.channels >= 1, "needs rows")
    try require(inputs[1].shape == [x.channels], "needs a scale of \(x.channels) elements")
    return [OutputDeclaration(x), OutputDeclaration([x.rows])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (x, scale) = (context.inputs[0], context.inputs[1])
    let parts = x.graph.append(
      RootMeanSquareNormalizationGradient(), [context.gradient, x, scale, context.outputs[1]])
    return [parts[0], parts[1]]
  }
}

/// The gradients of root mean square normalization with respect to the rows and to the scale.
///
///     dx = r (h - x r^2 mean over the row of h x),  h = g scale        dscale = sum over rows of g x r
///
/// Inputs: upstream gradient, rows, scale, reciprocal root mean squares.
public struct RootMeanSquareNormalizationGradient: Operator {
  /// The gradient of the scale can.
  public func accumulates(output: Int) -> Bool { output == 1 }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2]]
  }
}

extension Tensor {
  /// Each row of the innermost axis divided by its root mean square, times a scale `[C]`.
  public func rootMeanSquareNormalized(scale: Tensor, epsilon: Float) -> Tensor {
    apply(RootMeanSquareNormalization(epsilon: epsilon), scale)
  }

  /// Each row of the innermost axis with mean 0 and variance 1, times a scale and plus a shift, both
  /// `[C]`.
  ///
  ///     y = (x - mean) / sqrt(variance + epsilon) * scale + shift
  ///
  /// It is a group normalization of each row by itself. Source: Ba et al., "Layer normalization", 2016.
  public func layerNormalized(scale: Tensor, shift: Tensor, epsilon: Float) -> Tensor {
    reshaped([shape.rows, shape.channels])
      .groupNormalized(groups: 1, scale: scale, shift: shift, epsilon: epsilon).reshaped(shape)
  }
}

// MARK: - Unit length

/// Divides each row by its Euclidean length: `[..., d]` to the unit sphere.
///
///     y = x / |x|        dx = (g - y (y . g)) / |x|
///
/// A row shorter than 1e-6 has no direction: its result and its gradient are zero.
public struct RowNormalization: Operator {
  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape.rank >= 1, "needs rows")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(RowNormalizationGradient(), context.inputs[0])]
  }
}

/// The gradient of row normalization, from the upstream gradient and the rows.
public struct RowNormalizationGradient: Operator {
  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

extension Tensor {
  /// Each row of the innermost axis, divided by its Euclidean length.
  public func rowNormalized() -> Tensor { apply(RowNormalization()) }
}
