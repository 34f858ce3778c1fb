import Configuration

/// Residual finite scalar quantization: each depth divides the level that the one before has chosen.
public struct ResidualFiniteScalarConfiguration: Sendable, Equatable {
  /// How often a channel is rounded: indices to a token.
  public var depth: Int
  /// Levels and bound of each depth.
  public var scalar: FiniteScalarConfiguration

  /// Describes a residual finite scalar quantizer.
  public init(
    depth: Int = 2, levels: [Int] = [5, 5, 5], bound: FiniteScalarConfiguration.Bound = .tanh
  ) {
    self.depth = depth
    scalar = FiniteScalarConfiguration(levels: levels, bound: bound)
  }
}

extension ResidualFiniteScalarConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Residual finite scalar quantization: each stage rounds the residual of the one before."
  /// Twice the levels 5, 5, 5: 125 values of an index, 15,625 tokens.
  public static let standard = ResidualFiniteScalarConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "depth", &depth, in: .between(2, QuantizerConfiguration.mostDepth),
      "Number of rounding stages, which is the number of ids per token.",
      remedy: "One stage is type \"fsq\".")
    scalar.declare(&fields)
  }
}
