/// The same elements under other extents.
///
/// A view: nothing moves.
public struct Reshaping: Operator {
  /// The new extents.
  public let shape: Shape

  /// The first.
  public var viewedInput: Int? { 0 }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(
      inputs[0].shape.count == shape.count,
      "cannot make \(shape) of \(inputs[0].shape.count) elements")
    return [OutputDeclaration(shape, inputs[0].type)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.reshaped(context.inputs[0].shape)]
  }
}

/// The same value, through which no gradient flows.
///
/// A view.
public struct GradientStop: Operator {
  /// The first.
  public var viewedInput: Int? { 0 }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

/// The value of the second input with the gradient of the first.
///
/// A view of the second.
///
///     y = z + stop(q - z)
///
/// Written as a view and not as that sum, the value is `q` to the last bit. Source: Bengio et
/// al., "Estimating or propagating gradients through stochastic neurons", 2013.
public struct StraightThrough: Operator {
  /// The second.
  public var viewedInput: Int? { 1 }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [inputs[1]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient, nil]
  }
}

extension Tensor {
  /// The same elements under other extents.
  public func reshaped(_ shape: Shape) -> Tensor {
    apply(Reshaping(shape: shape))
  }

  /// The same value, through which no gradient flows.
  public func stoppingGradient() -> Tensor {
    apply(GradientStop())
  }

  /// The value of `code`, whose gradient goes to this tensor unchanged.
  public func straightThrough(to code: Tensor) -> Tensor {
    apply(StraightThrough(), code)
  }
}
