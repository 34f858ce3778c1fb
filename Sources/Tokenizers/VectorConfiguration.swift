import Configuration

/// Vector quantization with a codebook trained by gradients or by moving averages.
///
/// The losses are `codebookWeight * |q - sg(z)|^2 + commitmentWeight * |z - sg(q)|^2`. The squared
/// norm is the sum over the code dimension; the loss is the mean of it over all vectors of the
/// batch. The standard weights are those of 1 and 0.25 for means over the 8 channels of a code, which
/// is how they are customary; on sums they would pull eight times as hard.
///
/// Van den Oord et al., "Neural Discrete Representation Learning", 1711.00937.
public struct VectorConfiguration: Sendable, Equatable {
  /// How the gradient passes from the codebook entry to the encoder.
  public enum Gradient: String, Sendable, CaseIterable {
    /// Copied unchanged.
    case straightThrough = "straight-through"
    /// Rotated and rescaled as the entry is against the encoder's vector (2410.06424).
    case rotation
    /// Rotated likewise, and not rescaled: the gradient keeps its length.
    case unitRotation = "rotation-unit"
    /// The part along the way from the vector to the entry goes to the entry, the rest to the vector
    /// (DiVeQ-detach, kexue.fm 11328). The codebook needs no loss then: both weights may be 0.
    case diveq
  }

  /// What the codebook holds before the first step.
  public enum Initialization: String, Sendable, CaseIterable {
    /// Encoder outputs sampled from the first batch.
    case encoder
    /// Uniform in [-1 / codebookSize, 1 / codebookSize].
    case uniform
    /// Standard normal.
    case normal
    /// Centres of encoder outputs for training images, by k-means.
    case kMeans = "k-means"
    /// Encoder outputs for training images that together reach far: their skeleton, by
    /// column-pivoted QR.
    case skeleton

    /// Whether it is made of encoder outputs.
    public var isOfVectors: Bool { self != .uniform && self != .normal }
  }

  /// The number of codebook entries, that is, of different tokens.
  public var codebookSize: Int
  /// Channels of one codebook entry.
  public var codeDimension: Int
  /// How the gradient passes from the codebook entry to the encoder.
  public var gradient: Gradient
  /// Weight of the loss that moves the codebook towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codebook.
  public var commitmentWeight: Double
  /// What the codebook holds before the first step.
  public var initialization: Initialization
  /// What happens to the codebook between steps.
  public var upkeep: CodebookUpkeep

  /// Describes a vector quantizer.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8, gradient: Gradient = .straightThrough,
    codebookWeight: Double = 0.125, commitmentWeight: Double = 0.03125,
    initialization: Initialization = .encoder, upkeep: CodebookUpkeep = CodebookUpkeep()
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

extension VectorConfiguration: Configurable {
  /// What the value is.
  public static let summary =
    "Vector quantization with a codebook trained by gradients or by moving averages."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = VectorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.codebook(size: &codebookSize, dimension: &codeDimension)
    fields.gradient(
      &gradient, codebookWeight: &codebookWeight, commitmentWeight: &commitmentWeight,
      dimension: codeDimension)
    fields.choice("initialization", &initialization, ConfigurationFields.initializationMeaning)
    fields.upkeep(&upkeep, gradient: gradient)
  }
}
