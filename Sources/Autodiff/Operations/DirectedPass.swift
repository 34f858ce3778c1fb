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
