/// The mean of a pointwise distance between two tensors of one shape, a scalar.
///
///     squared: mean of (a - b)^2         absolute: mean of |a - b|
///
/// The mean is over all elements: batch, pixels and channels.
public enum PointwiseLoss: String, Operator, CaseIterable {
  /// Mean squared error.
  case squared
  /// Mean absolute error.
  case absolute

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [OutputDeclaration(.scalar)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (a, b, isNeeded) = (context.inputs[0], context.inputs[1], context.isNeeded)
    let rule = PointwiseLossGradient(loss: self)
    // The gradient is odd in a - b: with respect to b it is that of the swapped pair.
    return [
      isNeeded[0] ? context.gradient.apply(rule, a, b) : nil,
      isNeeded[1] ? context.gradient.apply(rule, b, a) : nil,
    ]
  }
}

/// The gradient of a pointwise loss with respect to its first argument.
public struct PointwiseLossGradient: Operator {
  /// The loss that is differentiated.
  public let loss: PointwiseLoss

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

/// The mean of `(a - b)^2` over all elements.
public func meanSquaredError(_ a: Tensor, _ b: Tensor) -> Tensor {
  a.apply(PointwiseLoss.squared, b)
}

/// The mean of `|a - b|` over all elements.
public func meanAbsoluteError(_ a: Tensor, _ b: Tensor) -> Tensor {
  a.apply(PointwiseLoss.absolute, b)
}
