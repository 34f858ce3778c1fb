/// Scales and shifts each channel by constants: `y = x * scale[c] + offset[c]`.
public struct ChannelAffine: Operator {
  /// One factor a channel.
  public let scale: [Float]
  /// One summand a channel.
  public let offset: [Float]

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let channels = inputs[0].shape.channels
    try require(
      scale.count == channels && offset.count == channels,
      "has constants for \(scale.count) channels, the tensor has \(channels)")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let none = [Float](repeating: 0, count: offset.count)
    return [context.gradient.channelAffine(scale: scale, offset: none)]
  }
}

extension Tensor {
  /// Each channel times one constant, plus another.
  public func channelAffine(scale: [Float], offset: [Float]) -> Tensor {
    apply(ChannelAffine(scale: scale, offset: offset))
  }
}
