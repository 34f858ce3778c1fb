/// Where the cosine over all says something else than those of the groups: Simpson's paradox.
public struct CosineReversals: Sendable, Equatable {
  /// The observation that started it: local cosines held above 0.1, and a global one below.
  public static let standardThreshold = 0.1
  /// By how much the plain mean of the local cosines exceeds the global one in S2.
  public static let wideGap = 0.2

  /// S1: every local cosine is at least the threshold, the global one is below it.
  public let isBelowAllLocals: Bool
  /// S2: the plain mean of the local cosines lies more than ``wideGap`` above the global one.
  public let isBelowMean: Bool
  /// S3: more than half of the local cosines have the opposite sign of the global one.
  ///
  /// Without centring it takes local cosines of both signs; see ``PearsonCorrelation`` for the true reversal.
  public let isOpposite: Bool
  /// The least local cosine minus the global one; nil where there is none.
  public let margin: Double?

  /// Looks for reversals; groups without a cosine are skipped.
  public init(_ cosines: DirectionCosines, threshold: Double = standardThreshold) {
    let locals = cosines.locals.compactMap { $0 }
    guard let global = cosines.global, let least = locals.min() else {
      (isBelowAllLocals, isBelowMean, isOpposite, margin) = (false, false, false, nil)
      return
    }
    isBelowAllLocals = least >= threshold && global < threshold
    isBelowMean = locals.reduce(0, +) / Double(locals.count) - global > Self.wideGap
    isOpposite = 2 * locals.count { $0 * global < 0 } > locals.count
    margin = least - global
  }

  /// The names of those that hold: "S1", "S2", "S3".
  public var names: [String] {
    [("S1", isBelowAllLocals), ("S2", isBelowMean), ("S3", isOpposite)].filter(\.1).map(\.0)
  }
}
