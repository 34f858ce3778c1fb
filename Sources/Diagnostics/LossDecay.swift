import Foundation

/// The power law `m(T) = L_inf + c T^-p` through three mean losses at `T`, `2T` and `4T`.
///
/// Theory lets `p` be 1/2 for the mean loss of convex problems. Aitken's extrapolation.
public struct LossDecay: Sendable, Equatable {
  /// `p = log2((m1 - m2) / (m2 - m4))`.
  public let exponent: Double
  /// `L_inf = (m4 m1 - m2^2) / (m1 + m4 - 2 m2)`, where the mean comes to; nil for `p <= 0`, by which it
  /// comes to nothing.
  public let limit: Double?

  /// Nil unless the mean loss fell twice.
  public init?(_ first: Double, _ second: Double, _ fourth: Double) {
    let (early, late) = (first - second, second - fourth)
    guard early > 0, late > 0 else { return nil }
    exponent = log2(early / late)
    // The same as the formula above, but it does not subtract large products.
    limit = early > late ? fourth - late * late / (early - late) : nil
  }
}

extension AverageLossMonitor {
  /// The power law through the last three mean losses at powers of two; nil where there are none, or
  /// the mean loss rose.
  public var lossDecay: LossDecay? {
    guard dyadicMeans.count >= 3 else { return nil }
    let last = dyadicMeans.suffix(3)
    return LossDecay(last[last.startIndex], last[last.startIndex + 1], last[last.startIndex + 2])
  }

  /// The exponent `p` with which the mean loss falls.
  public var decayExponent: Double? { lossDecay?.exponent }

  /// Where the mean loss comes to, by ``lossDecay``; nil also where that is below zero though no loss was.
  public var lossLimit: Double? {
    guard let limit = lossDecay?.limit, limit.isFinite, limit >= 0 || leastLoss < 0 else {
      return nil
    }
    return limit
  }
}
