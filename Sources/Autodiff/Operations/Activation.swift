/// Applies a function to each element.
///
///     relu(x) = max(x, 0)      silu(x) = x * sigmoid(x)
///     tanh(x)                  sigmoid(x) = 1 / (1 + exp(-x))
public enum Activation: String, Operator, CaseIterable {
  /// The positive part.
  case relu
  /// `x * sigmoid(x)`.
  case silu
  /// The hyperbolic tangent.
  case tanh
  /// The logistic function.
  case sigmoid

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(.activationGradient(.init(activation: self)), context.inputs[0])]
  }
}

/// The gradient of an activation, from the upstream gradient and the activation's input.
public struct ActivationGradient: Operator {
  /// The function that is differentiated.
  public let activation: Activation

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

/// The positive part of each element.
public func relu(_ x: Tensor) -> Tensor { x.apply(.activation(.relu)) }

/// Each element times its logistic function.
public func silu(_ x: Tensor) -> Tensor { x.apply(.activation(.silu)) }

/// The hyperbolic tangent of each element.
public func tanh(_ x: Tensor) -> Tensor { x.apply(.activation(.tanh)) }

/// The logistic function of each element.
public func sigmoid(_ x: Tensor) -> Tensor { x.apply(.activation(.sigmoid)) }
