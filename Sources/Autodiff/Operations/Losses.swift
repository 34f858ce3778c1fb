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
