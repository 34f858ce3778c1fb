/// Sums all elements, times a constant: 1 for a sum, 1 over the count for a mean.
public struct Total: Operator {
  /// What the sum is multiplied by.
  public let factor: Float

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(.scalar)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let spread = Spread(shape: context.inputs[0].shape, factor: factor)
    return [context.gradient.apply(spread)]
  }
}

/// Fills a tensor with a scalar times a constant: the adjoint of `Total`.
public struct Spread: Operator {
  /// The extents of the result.
  public let shape: Shape
  /// What the scalar is multiplied by.
  public let factor: Float

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(shape)]
  }
}

/// Fills a tensor with a constant, from which the reverse sweep starts.
public struct Seed: Operator {
  /// The constant.
  public let value: Float
  /// The extents of the result.
  public let shape: Shape

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(shape)]
  }
}

extension Tensor {
  /// The sum of all elements.
  public func sum() -> Tensor { apply(Total(factor: 1)) }

  /// The mean of all elements.
  public func mean() -> Tensor { apply(Total(factor: 1 / Float(shape.count))) }
}
