import Configuration

/// Vector quantization by direction, with a codebook trained by gradients or by moving averages.
///
/// Vectors and codes are divided by their lengths, so that a code wins tokens by its direction alone.
/// The losses are those of ``VectorConfiguration``, between directions. Against the mean squared error of
/// pixels the sum over channels weighs heavily, so that the standard weights are light (400 steps on the
/// built-in scenes, 1024 codes: 21.75 dB with 90 codes used by weights of 1 and 0.25, 23.48 dB with 690
/// by 0.1 and 0.025).
public struct CosineConfiguration: Sendable, Equatable {
  /// What the codebook holds before the first step.
  public enum Initialization: String, Sendable, CaseIterable {
    /// Directions of encoder outputs sampled from the first batch.
    case encoder
    /// Directions drawn evenly from the sphere.
    case normal
    /// Centres of directions of encoder outputs, by spherical k-means.
    case kMeans = "k-means"
    /// Directions of encoder outputs that differ much: their skeleton, by column-pivoted QR.
    case skeleton

    /// The same of a vector quantizer.
    var asOfVectors: VectorConfiguration.Initialization {
      switch self {
      case .encoder: .encoder
      case .normal: .normal
      case .kMeans: .kMeans
      case .skeleton: .skeleton
      }
    }
  }

  /// The number of codebook entries, that is, of different tokens.
  public var codebookSize: Int
  /// Channels of one codebook entry.
  public var codeDimension: Int
  /// How the gradient passes from the codebook entry to the encoder.
  public var gradient: VectorConfiguration.Gradient
  /// Weight of the loss that moves the codebook towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codebook.
  public var commitmentWeight: Double
  /// What the codebook holds before the first step.
  public var initialization: Initialization
  /// What happens to the codebook between steps.
  public var upkeep: CodebookUpkeep

  /// Describes a quantizer by direction.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8,
    gradient: VectorConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025, initialization: Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.codebookSize = codebookSize
    self.codeDimension = codeDimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
    self.upkeep = upkeep
  }
}

extension CosineConfiguration: Configurable {
  /// What the value is.
  public static let summary =
    "Vector quantization by direction (cosine): vectors and codes are divided by their lengths."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = CosineConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.codebook(size: &codebookSize, dimension: &codeDimension)
    fields.gradient(
      &gradient, codebookWeight: &codebookWeight, commitmentWeight: &commitmentWeight,
      dimension: codeDimension)
    fields.choice("initialization", &initialization, ConfigurationFields.initializationMeaning)
    fields.upkeep(&upkeep, gradient: gradient)
    fields.check(
      "codeDimension", codeDimension > 1,
      expected: "at least 2, as one dimension has but two directions",
      remedy: "Typical dimensions are 4 to 64.")
  }
}
