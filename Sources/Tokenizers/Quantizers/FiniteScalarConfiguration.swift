import Configuration

/// Finite scalar quantization: bound each channel, then round it.
///
/// Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2309.15505.
public struct FiniteScalarConfiguration: Sendable, Equatable {
  /// The function that bounds a channel before it is rounded.
  public enum Bound: String, Sendable, CaseIterable {
    /// The hyperbolic tangent of the paper, shifted for even numbers of levels.
    case tanh
    /// The logistic function, scaled to [0, levels - 1].
    case sigmoid
    /// The logistic function of 1.6 z, scaled likewise, by which a standard normal channel comes out
    /// nearly uniform (iFSQ). Best with odd levels, where 0 is the middle of one.
    case ifsq
  }

  /// The largest codebook, 2^24 tokens: an index up to here is exact in a float.
  public static let largestCodebook = 1 << 24

  /// The number of values of each channel.
  ///
  /// Their product is the codebook size.
  public var levels: [Int]
  /// The function that bounds a channel before it is rounded.
  public var bound: Bound

  /// Describes a finite scalar quantizer.
  public init(levels: [Int] = [8, 5, 5, 5], bound: Bound = .tanh) {
    self.levels = levels
    self.bound = bound
  }

  /// The number of different tokens: the product of the levels.
  public var codebookSize: Int { levels.reduce(1, *) }

  /// Channels of the vector that becomes one token: one per entry of `levels`.
  public var codeDimension: Int { levels.count }

  /// How wide a level is in the middle of each channel, before the channel is bounded.
  ///
  /// One level over the slope of the bound at 0: (L - 1) / 2 for tanh, (L - 1) / 4 for sigmoid,
  /// 1.6 times that for iFSQ.
  public var levelWidths: [Double] {
    let slope =
      switch bound {
      case .tanh: 0.5
      case .sigmoid: 0.25
      case .ifsq: 0.4
      }
    return levels.map { 1 / (slope * Double($0 - 1)) }
  }
}

extension FiniteScalarConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "Finite scalar quantization: bound each channel, then round it."
  /// Levels 8, 5, 5, 5: 1000 tokens.
  public static let standard = FiniteScalarConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integers(
      "levels", &levels, each: .atLeast(2), count: .between(1, 24),
      "Levels of each channel; their product is the codebook size.",
      remedy: "A channel with one level carries no information: remove it.")
    fields.choice(
      "bound", &bound,
      "The function that bounds a channel before rounding: tanh as in the paper, sigmoid, or ifsq, "
        + "which uses the levels of a normally distributed channel evenly; ifsq is best with odd "
        + "levels.")
    fields.check(
      "levels", product(of: levels, isAtMost: Self.largestCodebook),
      expected: "levels with a product of at most \(Self.largestCodebook)",
      remedy: "Use fewer channels or fewer levels.")
  }

  /// Whether a product stays within a limit, without computing what might overflow.
  private func product(of levels: [Int], isAtMost limit: Int) -> Bool {
    var product = 1
    for level in levels {
      guard level <= limit / product else { return false }
      product *= level
    }
    return true
  }
}
