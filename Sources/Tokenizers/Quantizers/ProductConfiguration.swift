import Configuration

/// Product vector quantization: groups of channels with codebooks of their own.
///
/// The losses are summed over all channels; the standard weights are light, as with
/// ``CosineConfiguration``.
public struct ProductConfiguration: Sendable, Equatable {
  /// How many groups: indices to a token.
  public var groups: Int
  /// The codebook of each group and its losses; the dimension is that of all groups together.
  public var codebook: CodebookConfiguration

  /// Describes a product quantizer.
  public init(
    groups: Int = 2, codebookSize: Int = 256, codeDimension: Int = 8,
    gradient: CodebookConfiguration.Gradient = .straightThrough, codebookWeight: Double = 0.1,
    commitmentWeight: Double = 0.025,
    initialization: CodebookConfiguration.Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.groups = groups
    codebook = CodebookConfiguration(
      size: codebookSize, dimension: codeDimension, gradient: gradient,
      codebookWeight: codebookWeight, commitmentWeight: commitmentWeight,
      initialization: initialization, upkeep: upkeep)
  }

  /// Channels of one group.
  public var groupDimension: Int { codebook.dimension / groups }
}

extension ProductConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "Product vector quantization: groups of channels, each with its own codebook."
  /// Two groups of 4 channels with 256 entries each.
  public static let standard = ProductConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "groups", &groups, in: .between(2, QuantizerConfiguration.mostDepth),
      "Groups of channels, which is the number of ids per token.",
      remedy: "One group is type \"vq\".")
    codebook.declareReplacement(&fields)
    let (dimension, groups) = (codebook.dimension, groups)
    fields.check(
      "codeDimension", with: ["groups"], dimension % max(1, groups) == 0,
      expected: "a multiple of groups = \(groups)",
      remedy: "The nearest is \(max(1, (dimension + groups / 2) / groups) * groups).")
    codebook.declareEntries(&fields)
  }
}
