import Autodiff

/// What happens when codes take the place of vectors: the losses, and the way of the gradient.
///
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors.
struct CodeReplacement {
  let gradient: VectorConfiguration.Gradient
  let codebookWeight: Double
  let commitmentWeight: Double

  /// Replaces vectors `[N, h, w, d]` by the codes `[N, h, w, d]` of their tokens.
  func callAsFunction(_ z: Tensor, by q: Tensor, at indices: Tensor) -> Quantized {
    let dimension = Float(z.shape.channels)
    let codebookLoss = meanSquaredError(q, z.stoppingGradient()) * dimension
    let commitmentLoss = meanSquaredError(z, q.stoppingGradient()) * dimension
    let auxiliary =
      codebookLoss * Float(codebookWeight) + commitmentLoss * Float(commitmentWeight)
    var statistics = ["quantizationError": commitmentLoss]
    let estimator = GradientEstimator(gradient)
    if case .rotation = estimator {
      statistics["rotationFallbacks"] = z.rotationFallbacks(to: q)
    }
    return Quantized(
      codes: estimator.pass(q, from: z), vectors: z, target: z, indices: indices,
      auxiliaryLoss: auxiliary, statistics: statistics)
  }
}
