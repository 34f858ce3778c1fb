import Autodiff
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

extension ProductConfiguration: CodebookQuantizer {
  /// In configurations, token files and reports.
  public static let word = "product-vq"
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

  /// The number of groups.
  public var depth: Int { groups }
  /// Groups of channels.
  public var arrangement: CodebookArrangement { .groups(dimension: groupDimension) }

  /// Declares the codebooks.
  public func bottleneck(in scope: Scope) -> any Bottleneck { ProductQuantizer(self, in: scope) }
}

/// Product (grouped) vector quantization: the channels fall into groups, each with a codebook of its
/// own.
///
///     z = (z_1, ..., z_G),  k_g = argmin over j of |z_g - e_g,j|^2,  q = (e_1,k_1, ..., e_G,k_G)
///     loss = sum over g of codebookWeight |q_g - sg(z_g)|^2 + commitmentWeight |z_g - sg(q_g)|^2
///
/// A token is G indices, group 0 first; K^G codes come from G K entries. Codebooks that follow moving
/// averages have no term of their own. Source: Jégou et al.,
/// "Product quantization for nearest neighbor search", 2011.
public struct ProductQuantizer: Bottleneck {
  let codebooks: [Tensor]
  let configuration: ProductConfiguration

  /// The quantizer of a configuration.
  ///
  /// The parameters `g.embedding.weight` are the codebooks `[K, d / G]` of the groups g.
  public init(_ configuration: ProductConfiguration, in scope: Scope) {
    self.configuration = configuration
    let (entries, dimension) = (configuration.codebook, configuration.groupDimension)
    codebooks = (0..<configuration.groups).map {
      entries.table(
        in: scope[String($0)], dimension: dimension,
        drawnFrom: entries.initializer(
          otherwise: .normal(deviation: 1 / Float(dimension).squareRoot())))
    }
  }

  /// Replaces each group of channels by the nearest code of the group.
  public func quantize(_ z: Tensor) -> Quantized {
    let width = configuration.groupDimension
    let indices = codebooks.enumerated().map { group, codebook in
      z.channels(group * width..<(group + 1) * width).nearestCodes(in: codebook)
    }
    let replace = CodeReplacement(configuration: configuration.codebook)
    let tokens = TokenDepth.stacked(indices)
    return replace(z, by: codes(at: indices), at: tokens)
  }

  /// The codes of all groups side by side.
  public func codes(of indices: Tensor) -> Tensor { codes(at: TokenDepth.separated(indices)) }

  private func codes(at indices: [Tensor]) -> Tensor {
    .concatenatingChannels(of: zip(codebooks, indices).map { $0.gathered(at: $1) })
  }
}
