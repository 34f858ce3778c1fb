extension TokenAngles {
  /// Statistics of the tokens; NaN if there is nothing to compute them from.
  public struct Summary: Sendable, Equatable {
    /// Tokens that were counted.
    public var tokens: Int
    /// Mean of `lambda = |q| / |z|`: far below 1 the rotation trick shrinks the gradient, and commitment
    /// takes over.
    public var lambda: Double
    /// Its 5th percentile.
    public var lambdaP5: Double
    /// Its 95th percentile.
    public var lambdaP95: Double
    /// Mean of `cos(z, q)`.
    public var cosine: Double
    /// Its 5th percentile.
    public var cosineP5: Double
    /// Share of tokens with `cos(z, q) < 0`, where the rotation turns the gradient back.
    public var obtuse: Double
    /// Share of tokens without a rotation.
    public var fallbacks: Double
    /// Mean over tokens of the cosine between rotation and straight-through gradient.
    public var gradientCosine: Double
    /// The same cosine over all tokens as one vector.
    public var gradientCosinePooled: Double
    /// The cosine of the two gradients' norms over tokens; see ``DirectionCosines``.
    public var gradientKappa: Double
    /// Norm of all rotation gradients against that of all straight-through ones.
    public var gradientNormRatio: Double
    /// Norm of the commitment gradient against that of the reconstruction gradient, both as they reach `z`.
    public var commitmentRatio: Double
    /// Root of the mean of `|z|^2`.
    public var vectorLength: Double
    /// Root of the mean of `|q|^2`.
    public var codeLength: Double
    /// Norm of the reconstruction gradient that reaches the `z` of a batch; root of the mean square over batches.
    public var reconstructionGradient: Double
    /// Norm of the commitment gradient, likewise.
    public var commitmentGradient: Double
  }

  /// Statistics of the tokens so far; sorts their lambdas and cosines.
  ///
  /// The lambdas leave out tokens without length, the cosines those whose code has none, and those of
  /// gradients tokens without a gradient.
  public var summary: Summary {
    let (lambdas, cosines) = (lambdas.sorted(), cosines.sorted())
    let (n, steps) = (Double(tokens), Double(batches))
    let norms = pooled.updateSquared.squareRoot() * pooled.gradientSquared.squareRoot()
    return Summary(
      tokens: tokens, lambda: mean(lambdas), lambdaP5: Quantile.of(sorted: lambdas, 0.05),
      lambdaP95: Quantile.of(sorted: lambdas, 0.95), cosine: mean(cosines),
      cosineP5: Quantile.of(sorted: cosines, 0.05), obtuse: Double(obtuse) / n,
      fallbacks: Double(fallbacks) / n, gradientCosine: gradientCosines / Double(gradients),
      gradientCosinePooled: pooled.cosine ?? .nan, gradientKappa: min(1, normProducts / norms),
      gradientNormRatio: (pooled.updateSquared / pooled.gradientSquared).squareRoot(),
      commitmentRatio: (commitment / reconstruction).squareRoot(),
      vectorLength: (squaredVectors / n).squareRoot(),
      codeLength: (squaredCodes / n).squareRoot(),
      reconstructionGradient: (reconstruction / steps).squareRoot(),
      commitmentGradient: (commitment / steps).squareRoot())
  }

  private func mean(_ values: [Double]) -> Double {
    values.reduce(0, +) / Double(values.count)
  }
}
