/// Turning a group's update towards its gradient until their cosine is large enough.
public enum LocalClipping {
  /// The least `mu >= 0` for which `cos(u + mu g, g)` is at least the threshold.
  ///
  /// `mu = (|u| / |g|) (lambda sqrt(1 - c^2) / sqrt(1 - lambda^2) - c)` for `c = cos(u, g) < lambda`,
  /// and 0 from there on; 0 also where a norm is zero.
  /// - Parameter threshold: `lambda`, above -1 and below 1.
  public static func multiplier(
    _ sums: DirectionCosines.Sums, threshold: Double
  ) -> Double {
    precondition(threshold > -1 && threshold < 1, "a cosine other than -1 and 1")
    guard let cosine = sums.cosine, cosine < threshold else { return 0 }
    let across = (1 - cosine * cosine).squareRoot()
    let along = threshold * across / (1 - threshold * threshold).squareRoot()
    return (sums.updateSquared / sums.gradientSquared).squareRoot() * (along - cosine)
  }
}
