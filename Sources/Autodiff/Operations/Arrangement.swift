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

extension Tensor {
  /// The same elements under other extents.
  public func reshaped(_ shape: Shape) -> Tensor {
    apply(Reshaping(shape: shape))
  }
}

// MARK: - Permutation

/// The axes in another order: axis `i` of the result is axis `order[i]` of the input.
///
/// Of numbers or indices. `[2, 0, 1]` makes `[C, N, T]` of `[N, T, C]`.
public struct Permutation: Operator {
  /// For each axis of the result, the axis of the input.
  public let order: [Int]

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(
      order.sorted() == Array(0..<x.rank),
      "has an order \(order) that does not name each axis once")
    return [OutputDeclaration(Shape(order.map { x[$0] }), inputs[0].type)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let inverse = order.indices.sorted { order[$0] < order[$1] }
    return [context.gradient.permuted(inverse)]
  }
}

extension Tensor {
  /// The same elements with axes in another order: axis `i` of the result is axis `order[i]` of this.
  public func permuted(_ order: [Int]) -> Tensor { apply(Permutation(order: order)) }

  /// The same elements with two axes exchanged; -1 is the innermost.
  public func transposed(_ a: Int = -2, _ b: Int = -1) -> Tensor {
    let (a, b) = (position(ofAxis: a), position(ofAxis: b))
    return permuted(shape.dimensions.indices.map { $0 == a ? b : $0 == b ? a : $0 })
  }
}

// MARK: - Slicing and padding

extension Tensor {
  /// Some neighbouring positions of one axis, of numbers or indices: `[..., n, ...]` to
  /// `[..., range.count, ...]`.
  ///
  /// - Parameters:
  ///   - range: the positions, at least one.
  ///   - axis: the axis; -1 is the innermost.
  public func slice(_ range: Range<Int>, axis: Int) -> Tensor {
    let axis = position(ofAxis: axis)
    guard shape.dimensions.indices.contains(axis), !range.isEmpty, range.lowerBound >= 0,
      range.upperBound <= shape[axis]
    else { return graph.refuse("cannot slice \(range) of axis \(axis) of \(shape)", like: self) }
    // The axes behind are one row with it, of which the slice is a range of channels.
    let (outer, inner) = extents(around: axis)
    var dimensions = shape.dimensions
    dimensions[axis] = range.count
    return reshaped([outer, shape[axis] * inner])
      .channels(range.lowerBound * inner..<range.upperBound * inner)
      .reshaped(Shape(dimensions))
  }

  /// Several tensors one behind the other along one axis, of numbers or indices; their other extents
  /// are the same.
  ///
  /// - Parameter axis: the axis; -1 is the innermost.
  public static func concatenating(_ parts: [Tensor], axis: Int) -> Tensor {
    let axis = parts[0].position(ofAxis: axis)
    for part in parts {
      var dimensions = part.shape.dimensions
      if dimensions.indices.contains(axis), parts[0].shape.dimensions.indices.contains(axis) {
        dimensions[axis] = parts[0].shape[axis]
      }
      guard dimensions.indices.contains(axis), dimensions == parts[0].shape.dimensions else {
        return part.graph.refuse(
          "cannot concatenate \(part.shape) to \(parts[0].shape) along axis \(axis)",
          like: part)
      }
    }
    var dimensions = parts[0].shape.dimensions
    dimensions[axis] = parts.reduce(0) { $0 + $1.shape[axis] }
    let (outer, inner) = parts[0].extents(around: axis)
    let rows = parts.map { $0.reshaped([outer, $0.shape[axis] * inner]) }
    return concatenatingChannels(of: rows).reshaped(Shape(dimensions))
  }

  /// The elements in front of an axis and behind it.
  private func extents(around axis: Int) -> (outer: Int, inner: Int) {
    (shape.dimensions[..<axis].reduce(1, *), shape.dimensions[(axis + 1)...].reduce(1, *))
  }
}

// MARK: - Channels

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
