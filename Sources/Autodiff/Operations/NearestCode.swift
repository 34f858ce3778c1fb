/// The squared length of each row: `[K, d]` to `[K]`.
///
/// For a codebook it depends on parameters alone, and is computed once an update.
public struct SquaredNorms: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape.rank == 2, "needs rows")
    return [OutputDeclaration([inputs[0].shape[0]])]
  }
}

/// The index of the row of a codebook that is nearest to each vector.
///
///     k = argmin over j of |e_j|^2 - 2 z . e_j
///
/// With zeros for the squared norms it is the row with the largest inner product.
///
/// Vectors `[..., d]`, codebook `[K, d]`, squared norms `[K]`, result `[...]`. Ties go to the
/// lowest index; a vector that is not finite gets -1. No matrix of all distances is formed.
public struct NearestCode: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let (z, codebook) = (inputs[0].shape, inputs[1].shape)
    try require(codebook.rank == 2, "needs a codebook [K, d]")
    try require(
      z.channels == codebook[1],
      "has codes of dimension \(codebook[1]), the vectors have \(z.channels)")
    try require(inputs[2].shape == [codebook[0]], "needs \(codebook[0]) squared norms")
    return [OutputDeclaration(Shape(z.dimensions.dropLast()), .index)]
  }

  /// One for each product that is summed.
  public func multiplyAdds(inputs: [Shape], outputs: [Shape]) -> Int {
    inputs[0].rows * inputs[1].count
  }
}

/// The rows of a table at given indices: table `[K, d]`, indices `[...]`, result `[..., d]`.
public struct Gathering: Operator {
  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].shape.rank == 2, "needs a table [K, d]")
    try require(inputs[1].type == .index, "needs indices")
    return [OutputDeclaration(Shape(inputs[1].shape.dimensions + [inputs[0].shape[1]]))]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    let addition = ScatterAddition(table: context.inputs[0].shape)
    return [context.gradient.apply(addition, context.inputs[1]), nil]
  }
}

/// Adds each row to the row of a table at its index: the adjoint of gathering.
public struct ScatterAddition: Operator {
  /// The extents of the table.
  public let table: Shape

  /// All can.
  public func accumulates(output: Int) -> Bool { true }

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    [OutputDeclaration(table)]
  }
}

/// How often each code occurs among indices, as floating-point counts `[K]`.
public struct CodeCounts: Operator {
  /// The size K of the codebook.
  public let codes: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    try require(inputs[0].type == .index, "needs indices")
    return [OutputDeclaration([codes])]
  }
}

extension Tensor {
  /// The squared length of each row.
  public func squaredNorms() -> Tensor { apply(SquaredNorms()) }

  /// The index of the nearest row of a codebook, for each vector of this tensor.
  public func nearestCodes(in codebook: Tensor) -> Tensor {
    apply(NearestCode(), codebook, codebook.squaredNorms())
  }

  /// The index of the row of a codebook with the largest inner product, for each vector of this tensor.
  public func mostAlignedCodes(in codebook: Tensor) -> Tensor {
    apply(NearestCode(), codebook, codebook.squaredNorms() * 0)
  }

  /// The rows of this table at the given indices.
  public func gathered(at indices: Tensor) -> Tensor { apply(Gathering(), indices) }

  /// How often each of `codes` codes occurs among these indices.
  public func codeCounts(of codes: Int) -> Tensor { apply(CodeCounts(codes: codes)) }
}
