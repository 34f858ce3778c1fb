import Autodiff

/// What happens when codes take the place of vectors: the losses, and the way of the gradient.
///
///     loss = codebookWeight |q - sg(z)|^2 + commitmentWeight |z - sg(q)|^2
///
/// The squared norms are summed over the code dimension and averaged over vectors.
struct CodeReplacement {
  let gradient: VectorConfiguration.Gradient
  /// Nil where the codes learn by no loss.
  let codebookWeight: Double?
  let commitmentWeight: Double

  /// Replaces vectors `[N, h, w, d]` by the codes `[N, h, w, d]` of their tokens.
  func callAsFunction(_ z: Tensor, by q: Tensor, at indices: Tensor) -> Quantized {
    let dimension = Float(z.shape.channels)
    let codebookLoss = codebookWeight.map {
      meanSquaredError(q, z.stoppingGradient()) * dimension * Float($0)
    }
    let commitmentLoss = meanSquaredError(z, q.stoppingGradient()) * dimension
    let weighted = commitmentLoss * Float(commitmentWeight)
    let auxiliary = codebookLoss.map { $0 + weighted } ?? weighted
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
