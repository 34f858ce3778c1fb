import Autodiff

/// Replacement of vectors by codes: the losses, and the path of the gradient.
///
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors.
struct CodeReplacement {
  let configuration: CodebookConfiguration

  /// Replaces vectors `[N, h, w, d]` by the codes `[N, h, w, d]` of their tokens.
  func callAsFunction(_ z: Tensor, by q: Tensor, at indices: Tensor) -> Quantized {
    let (auxiliary, error) = losses(z, q)
    var statistics = ["quantizationError": error]
    let estimator = GradientEstimator(configuration.gradient)
    if case .rotation = estimator {
      statistics["rotationFallbacks"] = z.rotationFallbacks(to: q)
    }
    return Quantized(
      codes: estimator.pass(q, from: z), vectors: z, target: z, indices: indices,
      auxiliaryLoss: auxiliary, statistics: statistics)
  }

  /// The weighted losses between vectors and their codes, and the mean squared distance of the two.
  ///
  /// The codes have no loss where they follow moving averages.
  func losses(_ z: Tensor, _ q: Tensor) -> (auxiliary: Tensor, error: Tensor) {
    let dimension = Float(z.shape.channels)
    let codebookLoss =
      configuration.learnsByGradient
      ? meanSquaredError(q, z.stoppingGradient()) * dimension * Float(configuration.codebookWeight)
      : nil
    let error = meanSquaredError(z, q.stoppingGradient()) * dimension
    let weighted = error * Float(configuration.commitmentWeight)
    return (codebookLoss.map { $0 + weighted } ?? weighted, error)
  }
}
