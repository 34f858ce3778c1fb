// MARK: - Pointwise

/// The mean of a pointwise distance between two tensors of one shape, a scalar.
///
///     squared: mean of (a - b)^2         absolute: mean of |a - b|
///
/// The mean is over all elements: batch, pixels and channels.
public enum PointwiseLoss: String, Operator, CaseIterable {
  /// Mean squared error.
  case squared
  /// Mean absolute error.
  case absolute

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape == inputs[1].shape, "needs two tensors of one shape")
    return [OutputDeclaration(.scalar)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (a, b, isNeeded) = (context.inputs[0], context.inputs[1], context.isNeeded)
    let rule = PointwiseLossGradient(loss: self)
    // The gradient is odd in a - b: with respect to b it is that of the swapped pair.
    return [
      isNeeded[0] ? context.gradient.apply(rule, a, b) : nil,
      isNeeded[1] ? context.gradient.apply(rule, b, a) : nil,
    ]
  }
}

/// The gradient of a pointwise loss with respect to its first argument.
public struct PointwiseLossGradient: Operator {
  /// The loss that is differentiated.
  public let loss: PointwiseLoss

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

/// The mean of `(a - b)^2` over all elements.
public func meanSquaredError(_ a: Tensor, _ b: Tensor) -> Tensor {
  a.apply(PointwiseLoss.squared, b)
}

/// The mean of `|a - b|` over all elements.
public func meanAbsoluteError(_ a: Tensor, _ b: Tensor) -> Tensor {
  a.apply(PointwiseLoss.absolute, b)
}

// MARK: - Cross-entropy

/// The cross-entropy of each row of logits with an integer target, in nats.
///
///     loss[i] = log(sum over k of exp(x[i, k])) - x[i, t[i]]
///
/// Logits `[..., K]`, targets `[...]` of indices, losses `[...]`. A row whose target is negative is
/// left out: its loss and its gradient are 0. A target of K or more makes the loss NaN. Yields also the
/// logarithms of the sums, `[...]`, which the gradient reads; no probabilities are stored.
public struct CrossEntropy: Operator {
  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (x, targets) = (inputs[0].shape, inputs[1])
    try require(x.rank >= 1 && x.channels >= 1, "needs rows of logits")
    try require(targets.type == .index, "needs targets that are indices")
    let rows = Shape(Array(x.dimensions.dropLast()))
    try require(targets.shape == rows, "needs a target for each row of logits")
    return [OutputDeclaration(rows), OutputDeclaration(rows)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [
      context.gradient.apply(
        CrossEntropyGradient(), context.inputs[0], context.inputs[1], context.outputs[1]),
      nil,
    ]
  }
}

/// The gradient of the cross-entropy with respect to the logits.
///
///     dx[i, k] = g[i] (exp(x[i, k] - s[i]) - [k = t[i]])
///
/// Inputs: upstream gradient `[...]`, logits, targets, logarithms of the sums.
public struct CrossEntropyGradient: Operator {
  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1]]
  }
}

/// The cross-entropy of each row of logits `[..., K]` with an integer target `[...]`, in nats: `[...]`.
///
/// Rows with a negative target have the loss 0. Their mean is `losses.mean()`; where rows are left out,
/// weigh the losses by 1 over the number that is not.
public func crossEntropy(_ logits: Tensor, _ targets: Tensor) -> Tensor {
  logits.apply(CrossEntropy(), targets)
}

/// The cross-entropy of each row of a product with an integer target, in nats, without the product.
///
///     l = x W        loss[i] = log(sum over k of exp(l[i, k])) - l[i, t[i]]
///
/// Rows `[..., C]`, weights `[C, V]` or `[1, 1, C, V]`, targets `[...]` of indices from 0, losses `[...]`.
/// The classes are some neighbouring columns of W; the others have no part in it. The matrix of logits is
/// computed a block at a time, forward and again backward, and never stored: with V in the ten thousands
/// it would be the largest thing there is. Targets are as in ``CrossEntropy``; yields also the logarithms
/// of the sums.
public struct ProductCrossEntropy: Operator {
  /// The columns of the weights that are the classes.
  public let classes: Range<Int>

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (x, weights, targets) = (inputs[0].shape, inputs[1].shape, inputs[2])
    try require(x.rank >= 1 && weights.rank >= 2, "needs rows and weights")
    try require(
      weights.count == x.channels * weights.channels,
      "needs weights [\(x.channels), V] for rows of \(x.channels) channels")
    try require(
      !classes.isEmpty && classes.lowerBound >= 0 && classes.upperBound <= weights.channels,
      "has the classes \(classes), but \(weights.channels) columns")
    let rows = Shape(Array(x.dimensions.dropLast()))
    try require(
      targets.type == .index && targets.shape == rows, "needs a target, an index, for each row")
    return [OutputDeclaration(rows), OutputDeclaration(rows)]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let parts = context.gradient.graph.append(
      ProductCrossEntropyGradient(loss: self),
      [context.gradient] + context.inputs + [context.outputs[1]])
    return [parts[0], parts[1], nil]
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    inputs[0].count * classes.count
  }
}

/// The gradients of the cross-entropy of a product with respect to rows and weights.
///
/// Inputs: upstream gradient `[...]`, rows, weights, targets, logarithms of the sums.
public struct ProductCrossEntropyGradient: Operator {
  /// The loss that is differentiated.
  public let loss: ProductCrossEntropy

  /// The gradient of the weights can.
  public func accumulates(output: Int) -> Bool { output == 1 }

  /// The rule of shapes.
  public func outputs(
    of inputs: [OutputDeclaration]
  ) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[1], inputs[2]]
  }

  /// The logits again, and both gradients.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    3 * inputs[1].count * loss.classes.count
  }
}

/// The cross-entropy of each row of `x W` with an integer target, in nats: rows `[..., C]`, weights
/// `[C, V]`, of which some columns are the classes; targets and losses `[...]`.
///
/// Rows with a negative target have the loss 0.
public func crossEntropy(
  ofProduct x: Tensor, _ weights: Tensor, classes: Range<Int>? = nil, _ targets: Tensor
) -> Tensor {
  x.apply(
    ProductCrossEntropy(classes: classes ?? 0..<weights.shape.channels), weights, targets)
}
