/// Combines two tensors of one shape, element by element.
public enum Arithmetic: String, Operator, CaseIterable {
  /// The sum.
  case sum
  /// The first less the second.
  case difference
  /// The product.
  case product

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    let g = context.gradient
    let (a, b, isNeeded) = (context.inputs[0], context.inputs[1], context.isNeeded)
    switch self {
    case .sum: return [g, g]
    case .difference: return [g, isNeeded[1] ? g * -1 : nil]
    case .product: return [isNeeded[0] ? g * b : nil, isNeeded[1] ? g * a : nil]
    }
  }
}

/// Multiplies each element by a constant.
public struct Scaling: Operator {
  /// The constant.
  public let factor: Float

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient * factor]
  }
}

/// Scales and shifts each channel by constants: `y = x * scale[c] + offset[c]`.
public struct ChannelAffine: Operator {
  /// One factor a channel.
  public let scale: [Float]
  /// One summand a channel.
  public let offset: [Float]

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let channels = inputs[0].shape.channels
    try require(
      scale.count == channels && offset.count == channels,
      "has constants for \(scale.count) channels, the tensor has \(channels)")
    return [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    let none = [Float](repeating: 0, count: offset.count)
    return [context.gradient.channelAffine(scale: scale, offset: none)]
  }
}

/// Adds its input to the gradient of a parameter, for operations that cannot do so themselves.
public struct Accumulation: Operator {
  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// The sum, element by element.
  public static func + (a: Tensor, b: Tensor) -> Tensor { a.apply(.arithmetic(.sum), b) }

  /// The difference, element by element.
  public static func - (a: Tensor, b: Tensor) -> Tensor { a.apply(.arithmetic(.difference), b) }

  /// The product, element by element.
  public static func * (a: Tensor, b: Tensor) -> Tensor { a.apply(.arithmetic(.product), b) }

  /// Each element times a constant.
  public static func * (a: Tensor, factor: Float) -> Tensor {
    a.apply(.scaling(Scaling(factor: factor)))
  }

  /// Each channel times one constant, plus another.
  public func channelAffine(scale: [Float], offset: [Float]) -> Tensor {
    apply(.channelAffine(ChannelAffine(scale: scale, offset: offset)))
  }
}
