import Configuration

/// Residual vector quantization: codebooks that quantize the residual of those before.
///
/// The losses are summed over depths; the standard weights are light, as with
/// ``CosineConfiguration``.
public struct ResidualConfiguration: Sendable, Equatable {
  /// How many codebooks: indices to a token.
  public var depth: Int
  /// The codebook of each depth and its losses.
  public var codebook: CodebookConfiguration

  /// Describes a residual quantizer.
  public init(
    depth: Int = 2, codebookSize: Int = 256, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025,
    initialization: CodebookConfiguration.Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.depth = depth
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight,
      initialization: initialization, upkeep: upkeep)
  }
}

extension ResidualConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Residual vector quantization: each codebook quantizes the residual of the one before."
  /// Two codebooks of 256 entries of dimension 8.
  public static let standard = ResidualConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "depth", &depth, in: .between(2, QuantizerConfiguration.mostDepth),
      "Number of codebooks, which is the number of ids per token.",
      remedy: "One codebook is type \"vq\".")
    codebook.declareReplacement(&fields)
    codebook.declareEntries(&fields)
  }
}
