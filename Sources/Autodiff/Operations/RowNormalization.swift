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
