import Configuration

/// Residual vector quantization: codebooks that quantize what those before have left.
///
/// The losses are those of ``VectorConfiguration``, summed over depths; the standard weights are light, as
/// with ``CosineConfiguration``.
public struct ResidualConfiguration: Sendable, Equatable {
  /// How many codebooks: indices to a token.
  public var depth: Int
  /// The number of entries of each codebook.
  public var codebookSize: Int
  /// Channels of one codebook entry.
  public var codeDimension: Int
  /// How the gradient passes from the sum of codes to the encoder.
  public var gradient: VectorConfiguration.Gradient
  /// Weight of the loss that moves the codebooks towards what they quantize.
  public var codebookWeight: Double
  /// Weight of the loss that moves what is quantized towards the codebooks.
  public var commitmentWeight: Double
  /// What the codebooks hold before the first step.
  public var initialization: CosineConfiguration.Initialization

  /// Describes a residual quantizer.
  public init(
    depth: Int = 2, codebookSize: Int = 256, codeDimension: Int = 8,
    gradient: VectorConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025, initialization: CosineConfiguration.Initialization = .encoder
  ) {
    self.depth = depth
    self.codebookSize = codebookSize
    self.codeDimension = codeDimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
  }
}

extension ResidualConfiguration: Configurable {
  /// What the value is.
  public static let summary =
    "Residual vector quantization: each codebook quantizes what those before have left."
  /// Two codebooks of 256 entries of dimension 8.
  public static let standard = ResidualConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "depth", &depth, in: .between(2, QuantizerConfiguration.mostDepth),
      "Codebooks, that is, indices to a token.", remedy: "One codebook is what type \"vq\" is.")
    fields.codebook(size: &codebookSize, dimension: &codeDimension)
    fields.gradient(
      &gradient, codebookWeight: &codebookWeight, commitmentWeight: &commitmentWeight,
      dimension: codeDimension)
    fields.choice("initialization", &initialization, ConfigurationFields.initializationMeaning)
  }
}
