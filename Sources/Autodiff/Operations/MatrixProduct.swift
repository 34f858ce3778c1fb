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
