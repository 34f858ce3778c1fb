/// Order statistics of a sample.
public enum Quantile {
  /// The value below which a fraction of the sample lies, NaN for an empty one.
  ///
  /// Between the sorted values `x_0...x_{n-1}` at the place `share (n - 1)`, on a straight line
  /// (definition 7 of Hyndman and Fan, "Sample Quantiles in Statistical Packages", 1996).
  public static func of(_ sample: [Double], _ share: Double) -> Double {
    of(sorted: sample.sorted(), share)
  }

  /// The same, of values that are sorted already.
  public static func of(sorted sample: [Double], _ share: Double) -> Double {
    precondition(share >= 0 && share <= 1, "a share of the sample")
    guard !sample.isEmpty else { return .nan }
    let place = share * Double(sample.count - 1)
    let below = Int(place)
    let above = min(below + 1, sample.count - 1)
    return sample[below] + (place - Double(below)) * (sample[above] - sample[below])
  }
}
