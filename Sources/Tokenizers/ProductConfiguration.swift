import Configuration

/// Product vector quantization: groups of channels with codebooks of their own.
///
/// The losses are those of ``VectorConfiguration``, summed over all channels; the standard weights are light, as
/// with ``CosineConfiguration``.
public struct ProductConfiguration: Sendable, Equatable {
  /// How many groups: indices to a token.
  public var groups: Int
  /// The number of entries of each group's codebook.
  public var codebookSize: Int
  /// Channels of all groups together.
  public var codeDimension: Int
  /// How the gradient passes from the codes to the encoder.
  public var gradient: VectorConfiguration.Gradient
  /// Weight of the loss that moves the codebooks towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codebooks.
  public var commitmentWeight: Double
  /// What the codebooks hold before the first step.
  public var initialization: CosineConfiguration.Initialization

  /// Describes a product quantizer.
  public init(
    groups: Int = 2, codebookSize: Int = 256, codeDimension: Int = 8,
    gradient: VectorConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025, initialization: CosineConfiguration.Initialization = .encoder
  ) {
    self.groups = groups
    self.codebookSize = codebookSize
    self.codeDimension = codeDimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
  }

  /// Channels of one group.
  public var groupDimension: Int { codeDimension / groups }
}

extension ProductConfiguration: Configurable {
  /// What the value is.
  public static let summary =
    "Product vector quantization: groups of channels, each with a codebook of its own."
  /// Two groups of 4 channels with 256 entries each.
  public static let standard = ProductConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "groups", &groups, in: .between(2, QuantizerConfiguration.mostDepth),
      "Groups of channels, that is, indices to a token.",
      remedy: "One group is what type \"vq\" is.")
    fields.codebook(size: &codebookSize, dimension: &codeDimension)
    let (dimension, groups) = (codeDimension, groups)
    fields.check(
      "codeDimension", with: ["groups"], dimension % max(1, groups) == 0,
      expected: "a multiple of groups = \(groups)",
      remedy: "The nearest is \(max(1, (dimension + groups / 2) / groups) * groups).")
    fields.gradient(
      &gradient, codebookWeight: &codebookWeight, commitmentWeight: &commitmentWeight,
      dimension: codeDimension)
    fields.choice("initialization", &initialization, ConfigurationFields.initializationMeaning)
  }
}
