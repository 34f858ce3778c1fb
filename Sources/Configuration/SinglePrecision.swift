/// How a number is rounded to a 32-bit float.
enum SinglePrecision {
  /// The error for a number that a 32-bit float cannot hold, or not within its bounds; nil for
  /// others.
  static func remedy(_ number: Double, _ bounds: Bounds<Double>) -> String? {
    let single = Float(number)
    if single.isInfinite { return "Such a float holds at most \(Float.greatestFiniteMagnitude)." }
    if number != 0, single.magnitude < .leastNormalMagnitude {
      return "Such a float holds no number nearer to 0 than \(Float.leastNormalMagnitude)."
    }
    guard !bounds.contains(Double(single)) else { return nil }
    let inward = Double(single) > number ? single.nextDown : single.nextUp
    return "Such a float rounds it to \(single); the nearest that it holds is \(inward)."
  }
}
