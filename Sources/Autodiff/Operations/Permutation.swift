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
