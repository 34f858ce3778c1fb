/// The softmax of each row, after scaling.
///
///     y[i, j] = exp(s x[i, j]) / sum over k of exp(s x[i, k])
///
/// The causal form is that of square matrices `[..., T, T]`: row i has the columns up to i alone, and
/// zeros behind them, so that what comes later has no weight.
public struct Softmax: Operator {
  /// The factor `s`: 1 over the square root of the channels, in attention.
  public let scale: Float
  /// Whether row i of a matrix has the columns up to i alone.
  public var isCausal = false

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank >= 1, "needs rows")
    try require(
      !isCausal || x.rank >= 2 && x[x.rank - 2] == x.channels, "is causal: needs square matrices")
    return [inputs[0]]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(SoftmaxGradient(scale: scale), context.outputs[0])]
  }
}

/// The gradient of softmax, from the upstream gradient `g` and the softmax's own result `y`.
///
///     dx[i, j] = s y[i, j] (g[i, j] - sum over k of g[i, k] y[i, k])
public struct SoftmaxGradient: Operator {
  /// The scale of the softmax.
  public let scale: Float

  /// The first.
  public var overwritableInputs: [Int] { [0] }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [inputs[0]]
  }
}

extension Tensor {
  /// The softmax of each row of this tensor times a constant; in the causal form, of the columns up to
  /// the row's own place alone.
  public func softmax(scale: Float = 1, isCausal: Bool = false) -> Tensor {
    apply(Softmax(scale: scale, isCausal: isCausal))
  }
}
