import Configuration

/// Vector quantization with a codebook trained by gradients or by moving averages.
///
/// The standard weights are those of 1 and 0.25 for means over the 8 channels of a code, which is how
/// they are customary; on sums they would pull eight times as hard.
///
/// Van den Oord et al., "Neural Discrete Representation Learning", 1711.00937.
public struct VectorConfiguration: Sendable, Equatable {
  /// The codebook and its losses.
  public var codebook: CodebookConfiguration

  /// Describes a vector quantizer.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.125,
    commitmentWeight: Double = 0.03125,
    initialization: CodebookConfiguration.Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight,
      initialization: initialization, upkeep: upkeep)
  }
}

extension VectorConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Vector quantization with a codebook trained by gradients or by moving averages."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = VectorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    codebook.declareReplacement(&fields)
    codebook.declareEntries(&fields)
  }
}
