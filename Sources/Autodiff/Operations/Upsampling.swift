/// Repeats each pixel `factor` times in both directions.
///
/// `[N, H, W, C]` becomes `[N, factor * H, factor * W, C]`.
public struct NearestUpsampling: Operator {
  /// How often each pixel is repeated.
  public let factor: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    try require(x.rank == 4, "needs an image [N, H, W, C]")
    return [OutputDeclaration([x[0], x[1] * factor, x[2] * factor, x[3]])]
  }

  /// The rule of gradients.
  public func gradients(_ context: GradientContext) -> [Tensor?] {
    [context.gradient.apply(NearestUpsamplingGradient(factor: factor))]
  }
}

/// Sums each block of `factor * factor` pixels: the adjoint of nearest upsampling.
public struct NearestUpsamplingGradient: Operator {
  /// The side of a block.
  public let factor: Int

  /// The rule of shapes.
  public func outputs(of inputs: [OutputDeclaration]) throws(ShapeMismatch) -> [OutputDeclaration] {
    let x = inputs[0].shape
    return [OutputDeclaration([x[0], x[1] / factor, x[2] / factor, x[3]])]
  }
}

extension Tensor {
  /// This image with each pixel repeated in both directions.
  public func upsampled(by factor: Int) -> Tensor {
    apply(NearestUpsampling(factor: factor))
  }
}
