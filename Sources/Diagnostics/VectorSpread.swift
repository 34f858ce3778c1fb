/// How far vectors lie apart: the latents before quantization, or the entries of a codebook.
public struct VectorSpread: Sendable, Equatable {
  /// Root of the mean squared length, `sqrt(mean |v|^2)`.
  public let length: Double
  /// Root of the mean squared distance from the mean vector, over all channels together.
  public let deviation: Double
  /// Mean squared deviation from the mean, per channel.
  public let variances: [Double]
  /// ``EffectiveRank`` of the covariance; nil where there are too many channels to know.
  public let effectiveRank: Double?
  /// The stable rank of the covariance, see ``EffectiveRank``; nil where there are too many channels.
  public let stableRank: Double?

  /// Given numbers.
  public init(
    length: Double, deviation: Double, variances: [Double], effectiveRank: Double?,
    stableRank: Double? = nil
  ) {
    self.length = length
    self.deviation = deviation
    self.variances = variances
    self.effectiveRank = effectiveRank
    self.stableRank = stableRank
  }

  /// The spread of the vectors that were added up.
  public init(_ moments: VectorMoments) {
    let variances = moments.variances
    let total = variances.reduce(0, +)
    let eigenvalues = moments.covariance?.eigenvalues
    self.init(
      length: (total + moments.means.reduce(0) { $0 + $1 * $1 }).squareRoot(),
      deviation: total.squareRoot(), variances: variances,
      effectiveRank: eigenvalues.map(EffectiveRank.of),
      stableRank: eigenvalues.map(EffectiveRank.stable))
  }

  /// The spread of vectors that lie one after another.
  public init(_ vectors: [Float], dimension: Int) {
    var moments = VectorMoments(dimension: dimension)
    moments.add(vectors)
    self.init(moments)
  }

  /// Numbers in a vector.
  public var dimension: Int { variances.count }

  /// The standard deviation relative to the RMS norm, 0...1: near 0 all vectors are nearly equal.
  ///
  /// It does not change when all vectors are scaled, as a following convolution might.
  public var relative: Double { length > 0 ? deviation / length : 0 }
}
