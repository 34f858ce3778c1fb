/// The value of a code, whose gradient is turned back onto the encoding (the rotation trick).
///
///     value     q
///     gradient  dz = lambda R^T g = lambda (g - 2 r (r . g) + 2 z' (q' . g))
///
/// with `z' = z / |z|`, `q' = q / |q|`, `r = (z' + q') / |z' + q'|`, and R the rotation that takes
/// `z'` to `q'`; R and lambda are constants. A view of `q`, so that the value is exact. Where z
/// or q is tiny, or they are opposite, R is undefined and the gradient passes straight through.
/// The code itself gets no gradient. Source: Fifty et al., "Restructuring vector quantization
/// with the rotation trick", 2024.
public struct Rotation: Operator {
  /// What lambda is.
  public enum Scale: String, Sendable, Hashable, CaseIterable {
    /// `|q| / |z|`, as in the paper.
    case codeOverEncoding
    /// 1: the gradient keeps its length.
    case unit
  }

  /// What lambda is.
  public let scale: Scale

  /// The second.
  public var viewedInput: Int? { 1 }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [inputs[1]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let rule = RotationGradient(scale: scale)
    return [context.gradient.apply(rule, context.inputs[0], context.inputs[1]), nil]
  }
}

/// The gradient of the rotation trick with respect to the encoding.
public struct RotationGradient: Operator {
  /// What lambda is.
  public let scale: Rotation.Scale

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

/// The number of vectors for which the rotation is undefined, a scalar.
public struct RotationFallbacks: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [OutputDeclaration(.scalar)]
  }
}

extension Tensor {
  /// The value of `code`, whose gradient is rotated back onto this encoding.
  public func rotated(to code: Tensor, scale: Rotation.Scale = .codeOverEncoding) -> Tensor {
    apply(Rotation(scale: scale), code)
  }

  /// The number of vectors of this encoding for which the rotation to `code` is undefined.
  public func rotationFallbacks(to code: Tensor) -> Tensor {
    apply(RotationFallbacks(), code)
  }
}
