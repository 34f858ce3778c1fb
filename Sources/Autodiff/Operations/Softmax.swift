/// The softmax of each row, after scaling.
///
///     y[i, j] = exp(s x[i, j]) / sum over k of exp(s x[i, k])
public struct Softmax: Operator {
  /// The factor `s`: 1 over the square root of the channels, in attention.
  public let scale: Float

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape.rank >= 1, "needs rows")
    return [inputs[0]]
  }

  func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(.softmaxGradient(SoftmaxGradient(scale: scale)), context.outputs[0])]
  }
}

/// The gradient of softmax, from the upstream gradient `g` and the softmax's own result `y`.
///
///     dx[i, j] = s y[i, j] (g[i, j] - sum over k of g[i, k] y[i, k])
public struct SoftmaxGradient: Operator {
  /// The scale of the softmax.
  public let scale: Float

  func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// The softmax of each row of this tensor times a constant.
  public func softmax(scale: Float = 1) -> Tensor {
    apply(.softmax(Softmax(scale: scale)))
  }
}
