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
