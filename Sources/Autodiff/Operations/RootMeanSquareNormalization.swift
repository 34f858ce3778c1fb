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
