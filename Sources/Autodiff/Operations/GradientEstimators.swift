import Forms

// MARK: - Straight-through

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
  /// The same value, through which no gradient flows.
  public func stoppingGradient() -> Tensor {
    apply(GradientStop())
  }

  /// The value of `code`, whose gradient goes to this tensor unchanged.
  public func straightThrough(to code: Tensor) -> Tensor {
    apply(StraightThrough(), code)
  }
}

// MARK: - Rotation trick

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
  public typealias Scale = RotationScale

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

// MARK: - Directed pass

/// The value of a code, as the vector moved by their distance in a direction that is a constant.
///
///     value      q = z + |q - z| u,  u = stop((q - z) / |q - z|)
///     gradients  dz = g - (g . u) u,  dq = (g . u) u
///
/// So the code learns from what is behind it, and needs no loss of its own; what it takes of the
/// gradient the vector does not get. A view of `q`, so that the value is exact. Where q and z are
/// equal there is no direction, and all of the gradient goes to z. Source: kexue.fm 11328, as
/// DiVeQ-detach.
public struct DirectedPass: Operator {
  /// The second.
  public var viewedInput: Int? { 1 }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [inputs[1]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let parts = context.gradient.graph.append(
      DirectedPassGradient(), [context.gradient] + context.inputs)
    return [parts[0], parts[1]]
  }
}

/// The gradients of a directed pass with respect to the vector and to the code.
public struct DirectedPassGradient: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2]]
  }
}

extension Tensor {
  /// The value of `code`, of whose gradient the part along the way from this vector to the code goes
  /// to the code, and the rest to the vector.
  public func directed(to code: Tensor) -> Tensor {
    apply(DirectedPass(), code)
  }
}
