import Foundation

/// In how many directions vectors vary.
public enum EffectiveRank {
  /// `exp(H)` of the eigenvalues' shares, `H = -sum s ln s`: 1 if all vectors lie on one line,
  /// `d` if they vary alike in `d` directions.
  ///
  /// Rounding may leave eigenvalues of a covariance just below zero; those count as zero. Where
  /// nothing varies at all the rank is 0. Roy and Vetterli, "The effective rank: a measure of
  /// effective dimensionality", 2007.
  public static func of(eigenvalues: [Double]) -> Double {
    let positive = eigenvalues.filter { $0 > 0 }
    let total = positive.reduce(0, +)
    guard total > 0 else { return 0 }
    return exp(
      positive.reduce(0) { sum, value in
        let share = value / total
        return share > 0 ? sum - share * log(share) : sum
      })
  }

  /// The stable rank `|M|_F^2 / |M|_2^2` of a matrix, from the eigenvalues of `M^T M`: their sum over
  /// the largest.
  ///
  /// It is at most the rank, and hardly moves with small eigenvalues. Where nothing varies it is 0.
  /// Rudelson and Vershynin, "Sampling from large matrices", 2007.
  public static func stable(eigenvalues: [Double]) -> Double {
    let positive = eigenvalues.filter { $0 > 0 }
    guard let largest = positive.max() else { return 0 }
    return positive.reduce(0, +) / largest
  }
}
