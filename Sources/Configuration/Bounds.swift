import Files

/// Which numbers a field accepts.
public struct Bounds<Number: Comparable & Sendable>: Sendable {
  /// Smallest number accepted.
  var minimum: Number?
  /// Largest number accepted.
  var maximum: Number?
  /// Numbers must be above this one.
  var above: Number?
  /// Numbers must be below this one.
  var below: Number?

  /// Whether a number is accepted.
  func contains(_ number: Number) -> Bool {
    if let minimum, !(number >= minimum) { return false }
    if let maximum, !(number <= maximum) { return false }
    if let above, !(number > above) { return false }
    if let below, !(number < below) { return false }
    return number == number
  }

  /// Every number.
  public static var any: Self { Self() }

  /// Numbers from `minimum` up.
  public static func atLeast(_ minimum: Number) -> Self { Self(minimum: minimum) }

  /// Numbers from `minimum` to `maximum`, both included.
  public static func between(_ minimum: Number, _ maximum: Number) -> Self {
    Self(minimum: minimum, maximum: maximum)
  }

  /// Numbers from `minimum`, included, to `below`, excluded.
  public static func from(_ minimum: Number, below: Number) -> Self {
    Self(minimum: minimum, below: below)
  }

  /// Numbers above `above`.
  public static func above(_ above: Number) -> Self { Self(above: above) }

  /// Numbers between two that are excluded themselves.
  public static func inside(_ above: Number, _ below: Number) -> Self {
    Self(above: above, below: below)
  }

  /// The limits in words, after "an integer" or "a number"; empty when there are none.
  var words: String {
    switch (minimum, maximum, above, below) {
    case (let minimum?, let maximum?, _, _): " from \(minimum) to \(maximum)"
    case (let minimum?, nil, _, let below?): " from \(minimum) to below \(below)"
    case (let minimum?, nil, _, nil): " of at least \(minimum)"
    case (nil, let maximum?, _, _): " of at most \(maximum)"
    case (nil, nil, let above?, let below?): " between \(above) and \(below), both excluded"
    case (nil, nil, let above?, nil): " above \(above)"
    case (nil, nil, nil, let below?): " below \(below)"
    case (nil, nil, nil, nil): ""
    }
  }

  /// Writes the limits into a JSON Schema.
  func describe(in schema: inout JSONObject, _ json: (Number) -> JSONValue) {
    if let minimum { schema["minimum"] = json(minimum) }
    if let maximum { schema["maximum"] = json(maximum) }
    if let above { schema["exclusiveMinimum"] = json(above) }
    if let below { schema["exclusiveMaximum"] = json(below) }
  }
}

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
