extension Generator {
  /// A number in [0, 1): one of 2^24 equally likely multiples of 2^-24.
  public mutating func uniform() -> Float {
    Float(next() >> 40) * 0x1p-24
  }

  /// A number in `range`, uniform, the upper bound excluded.
  ///
  /// - Precondition: both bounds are finite and the range is not empty.
  public mutating func uniform(in range: Range<Float>) -> Float {
    precondition(!range.isEmpty, "a range to draw from must not be empty")
    let value = range.lowerBound + uniform() * (range.upperBound - range.lowerBound)
    // The sum may round up to the bound that is excluded.
    return value < range.upperBound ? value : range.upperBound.nextDown
  }

  /// A number in [0, 1) in double precision: one of 2^53 equally likely multiples of 2^-53.
  public mutating func uniformDouble() -> Double {
    Double(next() >> 11) * 0x1p-53
  }

  /// An integer in `0..<bound`, each exactly equally likely.
  ///
  /// The high word of bound * word; the few words that would favour some results are drawn again.
  /// Source: Lemire, "Fast random integer generation in an interval", 2019.
  ///
  /// - Precondition: `bound` is at least 1.
  public mutating func integer(below bound: Int) -> Int {
    precondition(bound > 0, "an integer is drawn below a bound of at least 1, not \(bound)")
    let range = UInt64(bound)
    var product = next().multipliedFullWidth(by: range)
    if product.low < range {
      let biased = (0 &- range) % range
      while product.low < biased { product = next().multipliedFullWidth(by: range) }
    }
    return Int(product.high)
  }

  /// True with the given probability, to a resolution of 2^-53; always one word of the stream.
  public mutating func bernoulli(_ probability: Double) -> Bool {
    uniformDouble() < probability
  }

  /// The integers `0..<count` in random order, each order equally likely (Fisher-Yates).
  ///
  /// Unlike the standard library's `shuffled(using:)`, the order for a state never changes with
  /// the version of the compiler.
  public mutating func permutation(of count: Int) -> [Int] {
    precondition(count >= 0, "a permutation has no negative count")
    var order = Array(0..<count)
    var last = count - 1
    while last > 0 {
      order.swapAt(last, integer(below: last + 1))
      last -= 1
    }
    return order
  }
}

// MARK: - The normal distribution

extension Generator {
  /// A number from the normal distribution with mean 0 and variance 1.
  ///
  /// Polar method: a point (u, v) uniform in the unit disc with s = u^2 + v^2 gives
  /// u * sqrt(-2 ln s / s); points outside are drawn again, so the count of words varies. Only
  /// operations that IEEE 754 fixes to the last bit are used (the logarithm is
  /// ``naturalLogarithm(_:)``), so every platform gives the same numbers.
  ///
  /// Source: Marsaglia and Bray, "A convenient method for generating normal variables", 1964.
  public mutating func normal() -> Float {
    while true {
      let u = 2 * uniformDouble() - 1
      let v = 2 * uniformDouble() - 1
      let s = u * u + v * v
      if s > 0 && s < 1 {
        return Float(u * (-2 * naturalLogarithm(s) / s).squareRoot())
      }
    }
  }
}

/// The natural logarithm of a positive, finite, normal number, the same bits on every platform.
///
/// x = m * 2^e with m in [sqrt(1/2), sqrt 2), t = (m - 1) / (m + 1), and
/// ln x = e ln 2 + 2 (t + t^3/3 + t^5/5 + ...): |t| < 0.172, so twelve terms reach the last bit
/// or two. Libraries differ in those bits, which is why theirs is not used.
public func naturalLogarithm(_ x: Double) -> Double {
  precondition(x > 0 && x.isFinite, "a logarithm is of a positive finite number")
  var mantissa = x.significand
  var exponent = Double(x.exponent)
  if mantissa > 1.4142135623730951 {
    mantissa /= 2
    exponent += 1
  }
  let t = (mantissa - 1) / (mantissa + 1)
  let square = t * t
  var sum = 0.0
  var odd = 23.0
  while odd > 0 {
    sum = sum * square + 1 / odd
    odd -= 2
  }
  return exponent * 0.6931471805599453 + 2 * t * sum
}
