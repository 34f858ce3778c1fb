/// Multiplies matrices, one pair for each element of the batch.
///
///     y[b] = op(a[b]) op(c[b])      op: as it is, or transposed
///
/// `[B, M, K]` times `[B, K, N]` is `[B, M, N]`, before transposition.
public struct MatrixProduct: Operator {
  /// Whether the first factor is transposed.
  public let transposesFirst: Bool
  /// Whether the second factor is transposed.
  public let transposesSecond: Bool

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (a, b) = (inputs[0].shape, inputs[1].shape)
    try require(a.rank == 3 && b.rank == 3 && a[0] == b[0], "needs two batches of matrices")
    let (rows, inner) = transposesFirst ? (a[2], a[1]) : (a[1], a[2])
    let (other, columns) = transposesSecond ? (b[2], b[1]) : (b[1], b[2])
    try require(inner == other, "has inner extents \(inner) and \(other)")
    return [OutputDeclaration([a[0], rows, columns])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let (g, a, b) = (context.gradient, context.inputs[0], context.inputs[1])
    var parts: [Tensor?] = [nil, nil]
    if context.isNeeded[0] {
      parts[0] =
        transposesFirst
        ? matrixProduct(b, g, transposingFirst: transposesSecond, transposingSecond: true)
        : matrixProduct(g, b, transposingFirst: false, transposingSecond: !transposesSecond)
    }
    if context.isNeeded[1] {
      parts[1] =
        transposesSecond
        ? matrixProduct(g, a, transposingFirst: true, transposingSecond: transposesFirst)
        : matrixProduct(a, g, transposingFirst: !transposesFirst, transposingSecond: false)
    }
    return parts
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    outputs[0].count * (transposesFirst ? inputs[0][1] : inputs[0][2])
  }
}

/// The products of two batches of matrices.
public func matrixProduct(
  _ a: Tensor, _ b: Tensor, transposingFirst: Bool = false, transposingSecond: Bool = false
) -> Tensor {
  a.apply(
    MatrixProduct(transposesFirst: transposingFirst, transposesSecond: transposingSecond), b)
}

// MARK: - Few rows

/// The weights of a linear map `[..., I, O]` in the order in which products of few rows read them.
///
/// Of a parameter it is computed once an update. It has no gradient.
public struct WeightPacking: Operator {
  /// The rule of shapes: I rows of O columns in whole vectors of 16.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let weights = inputs[0].shape
    try require(weights.rank >= 2, "needs a matrix")
    return [OutputDeclaration([weights.rows * ((weights.channels + 15) / 16 * 16)])]
  }
}

/// The product of few rows `[N, I]` with packed weights: `[N, O]`.
///
/// A row's bits do not depend on those beside it, on any device. It has no gradient.
public struct PackedProduct: Operator {
  /// The columns O of the weights.
  public let columns: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank == 2, "takes rows [N, I]")
    let words = x[1] * ((columns + 15) / 16 * 16)
    try require(inputs[1].shape == [words], "needs packed weights of \(words) numbers")
    return [OutputDeclaration([x[0], columns])]
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    inputs[0].count * columns
  }
}

extension Tensor {
  /// The product of these few rows `[N, I]` with weights `[..., I, O]`, which are packed once an update;
  /// without a gradient.
  public func fewRows(times weights: Tensor) -> Tensor {
    apply(PackedProduct(columns: weights.shape.channels), weights.apply(WeightPacking()))
  }
}

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
