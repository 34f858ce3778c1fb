// MARK: - All elements

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

// MARK: - One axis

/// The sum over one axis, times a constant, without that axis: `[..., n, ...]` to `[..., ...]`.
///
/// The factor is 1 for a sum, `1 / n` for a mean.
public struct AxisSum: Operator {
  /// The axis that is summed over.
  public let axis: Int
  /// What the sum is multiplied by.
  public let factor: Float

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(try inputs[0].removing(axis))]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let count = context.inputs[0].shape[axis]
    return [context.gradient.apply(AxisRepetition(axis: axis, count: count, factor: factor))]
  }
}

/// The same values, times a constant, along a new axis: `[..., ...]` to `[..., count, ...]`, the adjoint
/// of `AxisSum`.
public struct AxisRepetition: Operator {
  /// The place of the new axis.
  public let axis: Int
  /// Its extent.
  public let count: Int
  /// What the values are multiplied by.
  public let factor: Float

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(axis >= 0 && axis <= x.rank, "has no place for a new axis \(axis)")
    try require(count >= 1, "needs to repeat at least once, not \(count) times")
    try require(inputs[0].type == .float32, "needs numbers, not indices")
    var dimensions = x.dimensions
    dimensions.insert(count, at: axis)
    return [OutputDeclaration(Shape(dimensions))]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(AxisSum(axis: axis, factor: factor))]
  }
}

/// The largest value along one axis, without that axis; NaN where one of the values is.
///
/// Values that share the maximum share its gradient evenly.
public struct AxisMaximum: Operator {
  /// The axis that is searched.
  public let axis: Int

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(try inputs[0].removing(axis))]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (x, count) = (context.inputs[0], context.inputs[0].shape[axis])
    let isLargest = x.isEqual(to: context.outputs[0].repeated(count, at: axis))
    let share = context.gradient / isLargest.sum(axis: axis)
    return [isLargest * share.repeated(count, at: axis)]
  }
}

extension OutputDeclaration {
  /// The extents without an axis that is there and not empty.
  fileprivate func removing(_ axis: Int) throws(ShapeMismatch) -> Shape {
    try require(axis >= 0 && axis < shape.rank, "has no axis \(axis) to reduce")
    try require(shape[axis] >= 1, "cannot reduce an axis without elements")
    try require(type == .float32, "needs numbers, not indices")
    var dimensions = shape.dimensions
    dimensions.remove(at: axis)
    return Shape(dimensions)
  }
}

extension Tensor {
  /// An axis by its position, of which negative ones count from the last: -1 is the innermost.
  func position(ofAxis axis: Int) -> Int { axis < 0 ? shape.rank + axis : axis }

  /// The sum over one axis, which the result has no more.
  ///
  /// - Parameter axis: the position; -1 is the innermost.
  public func sum(axis: Int) -> Tensor {
    apply(AxisSum(axis: position(ofAxis: axis), factor: 1))
  }

  /// The mean over one axis, which the result has no more.
  ///
  /// - Parameter axis: the position; -1 is the innermost.
  public func mean(axis: Int) -> Tensor {
    let axis = position(ofAxis: axis)
    let count = shape.dimensions.indices.contains(axis) ? shape[axis] : 1
    return apply(AxisSum(axis: axis, factor: 1 / Float(max(1, count))))
  }

  /// The largest value along one axis, which the result has no more; values that share the maximum
  /// share its gradient evenly.
  ///
  /// - Parameter axis: the position; -1 is the innermost.
  public func maximum(axis: Int) -> Tensor {
    apply(AxisMaximum(axis: position(ofAxis: axis)))
  }

  /// The same values, so many times along a new axis.
  ///
  /// - Parameter axis: the position of the new axis in the result.
  public func repeated(_ count: Int, at axis: Int) -> Tensor {
    apply(AxisRepetition(axis: axis, count: count, factor: 1))
  }

  /// The same values under larger extents, as NumPy broadcasts: extents are aligned at the innermost, and
  /// what is 1 or missing is repeated.
  ///
  /// `[C]` becomes `[N, H, W, C]`, `[N, 1, C]` becomes `[N, T, C]`.
  public func broadcast(to target: Shape) -> Tensor {
    let missing = target.rank - shape.rank
    let extents = [Int](repeating: 1, count: max(0, missing)) + shape.dimensions
    guard missing >= 0, zip(extents, target.dimensions).allSatisfy({ $0 == $1 || $0 == 1 }) else {
      return graph.refuse("cannot broadcast \(shape) to \(target)", like: self)
    }
    // Neighbouring axes that are repeated are repeated as one.
    var (result, axis) = (self, 0)
    while axis < target.rank {
      var end = axis
      while end < target.rank, extents[end] != target[end] { end += 1 }
      if end > axis {
        let (outer, count) = (target.dimensions[..<axis], target.dimensions[axis..<end])
        result = result.reshaped([outer.reduce(1, *), extents[end...].reduce(1, *)])
          .repeated(count.reduce(1, *), at: 1)
      }
      axis = max(end, axis + 1)
    }
    return result.reshaped(target)
  }
}

// MARK: - Into the gradient of a parameter

/// Adds its input to the gradient of a parameter, for operations that cannot do so themselves.
public struct Accumulation: Operator {
  /// All can.
  public func accumulates(output: Int) -> Bool { true }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}
