#if canImport(Glibc)
  import Glibc
#elseif canImport(Darwin)
  import Darwin
#endif

/// How many directions a matrix really uses, by measures that grow from 1 to k as its singular
/// values become equal.
///
/// A matrix of zeros uses none: all of them are 0. No measure depends on the scale of the matrix.
/// Roy and Vetterli, "The effective rank", 2007; Rudelson and Vershynin, "Sampling from large
/// matrices", 2007 (stable rank).
public struct EffectiveRank: Sendable, Equatable {
  /// Singular values above a share of the largest: `#{sigma_i / sigma_1 > threshold}`.
  public let count: Int
  /// The nuclear norm over the spectral: `sum of sigma_i / sigma_1`.
  public let nuclear: Double
  /// The stable rank, the Frobenius norm over the spectral, squared:
  /// `sum of sigma_i^2 / sigma_1^2`.
  public let stable: Double
  /// `exp(H(p))`, H the entropy, with `p_i = sigma_i / sum of sigma`.
  public let entropy: Double
  /// `exp(H(p))` with `p_i = sigma_i^2 / sum of sigma^2`.
  public let squaredEntropy: Double
  /// The nuclear norm over the Frobenius, squared: `(sum of sigma_i)^2 / sum of sigma_i^2`.
  public let nuclearOverFrobenius: Double

  /// The measures of singular values, in any order.
  ///
  /// - Parameter threshold: the share of the largest above which a singular value counts.
  /// - Throws: ``LowRankError/notFinite(row:column:)`` where one is not finite.
  public init(singularValues: [Double], threshold: Double = 0.01) throws(LowRankError) {
    if let index = singularValues.firstIndex(where: { !$0.isFinite }) {
      throw .notFinite(row: 0, column: index)
    }
    let largest = singularValues.reduce(0) { max($0, $1.magnitude) }
    let shares = largest > 0 ? singularValues.map { $0.magnitude / largest } : []
    let sum = shares.reduce(0, +)
    let squares = shares.reduce(0) { $0 + $1 * $1 }
    count = shares.filter { $0 > threshold }.count
    nuclear = sum
    stable = squares
    entropy = Self.perplexity(shares)
    squaredEntropy = Self.perplexity(shares.map { $0 * $0 })
    nuclearOverFrobenius = squares > 0 ? sum * sum / squares : 0
  }

  /// The measures of a matrix.
  ///
  /// - Throws: ``LowRankError`` where it is empty or has an element that is not finite, and if
  ///   LAPACK does not converge.
  public init(of matrix: Matrix, threshold: Double = 0.01) throws(LowRankError) {
    try self.init(
      singularValues: SingularValueDecomposition.values(of: matrix), threshold: threshold)
  }

  /// `exp(H)` of numbers in proportion to probabilities.
  private static func perplexity(_ weights: [Double]) -> Double {
    let sum = weights.reduce(0, +)
    guard sum > 0 else { return 0 }
    return exp(
      weights.reduce(0) { entropy, weight in
        let share = weight / sum
        return share > 0 ? entropy - share * log(share) : entropy
      })
  }
}
