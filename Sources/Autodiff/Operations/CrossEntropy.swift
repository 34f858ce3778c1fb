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
