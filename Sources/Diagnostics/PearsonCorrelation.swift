/// The cosine of two samples about their means.
public enum PearsonCorrelation {
  /// `r = cos(x - mean x, y - mean y)`, -1...1; nil where a sample does not vary.
  public static func of(_ x: [Double], _ y: [Double]) -> Double? {
    precondition(x.count == y.count, "samples of one length")
    guard !x.isEmpty else { return nil }
    let n = Double(x.count)
    let (meanX, meanY) = (x.reduce(0, +) / n, y.reduce(0, +) / n)
    var sums = DirectionCosines.Sums()
    for (a, b) in zip(x, y) {
      let (dx, dy) = (a - meanX, b - meanY)
      sums.updateSquared += dx * dx
      sums.gradientSquared += dy * dy
      sums.product += dx * dy
    }
    return sums.cosine
  }

  /// Simpson's paradox proper: every group is correlated positively, all together negatively.
  ///
  /// Groups without a correlation are omitted from the first, not from the second.
  public static func reverses(_ groups: [(x: [Double], y: [Double])]) -> Bool {
    let locals = groups.compactMap { of($0.x, $0.y) }
    guard let all = of(groups.flatMap(\.x), groups.flatMap(\.y)), !locals.isEmpty else {
      return false
    }
    return locals.allSatisfy { $0 > 0 } && all < 0
  }
}
