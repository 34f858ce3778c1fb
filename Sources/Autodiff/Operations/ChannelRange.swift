/// Some neighbouring channels of each row: `[..., C]` to `[..., channels]`, of numbers or indices.
public struct ChannelSlice: Operator {
  /// The first channel.
  public let start: Int
  /// How many.
  public let channels: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(
      x.rank >= 1 && start >= 0 && channels >= 1 && start + channels <= x.channels,
      "needs channels \(start) to \(start + channels - 1)")
    return [OutputDeclaration(Shape(x.dimensions.dropLast() + [channels]), inputs[0].type)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let width = context.inputs[0].shape.channels
    return [context.gradient.apply(ChannelPlacement(start: start, width: width))]
  }
}

/// Rows as some of the channels of wider ones, with zeros beside them: the adjoint of `ChannelSlice`.
public struct ChannelPlacement: Operator {
  /// The first channel.
  public let start: Int
  /// The channels of the result.
  public let width: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(start + x.channels <= width, "has room for \(width) channels")
    return [OutputDeclaration(Shape(x.dimensions.dropLast() + [width]), inputs[0].type)]
  }
}

/// The channels of several tensors side by side, in order, of numbers or indices.
public struct ChannelConcatenation: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (rows, type) = (inputs[0].shape.dimensions.dropLast(), inputs[0].type)
    for input in inputs {
      try require(
        input.shape.rank >= 1 && input.shape.dimensions.dropLast() == rows && input.type == type,
        "needs tensors that differ in their channels alone")
    }
    let channels = inputs.reduce(0) { $0 + $1.shape.channels }
    return [OutputDeclaration(Shape(rows + [channels]), type)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    var start = 0
    return zip(context.inputs, context.isNeeded).map { input, isNeeded in
      defer { start += input.shape.channels }
      return isNeeded
        ? context.gradient.channels(start..<start + input.shape.channels) : nil
    }
  }
}

extension Tensor {
  /// Some neighbouring channels.
  public func channels(_ range: Range<Int>) -> Tensor {
    apply(ChannelSlice(start: range.lowerBound, channels: range.count))
  }

  /// The channels of several tensors side by side.
  public static func concatenatingChannels(of parts: [Tensor]) -> Tensor {
    parts[0].graph.append(ChannelConcatenation(), parts)[0]
  }
}
