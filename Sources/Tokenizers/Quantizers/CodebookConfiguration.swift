import Autodiff
import Configuration

/// Common configuration of quantizers whose tokens are entries of codebooks.
///
/// The losses are `codebookWeight * |q - sg(z)|^2 + commitmentWeight * |z - sg(q)|^2`. The squared
/// norm is the sum over the code dimension; the loss is the mean of it over all vectors of the batch.
public struct CodebookConfiguration: Sendable, Equatable {
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

  /// Initialization of a codebook.
  public enum Initialization: String, Sendable, CaseIterable {
    /// Encoder outputs sampled from the first batch.
    case encoder
    /// Uniform in [-1 / codebookSize, 1 / codebookSize].
    case uniform
    /// Normal: in `vq` with deviation 1, elsewhere with codes of length 1 in the mean, or half of that
    /// for each depth before.
    case normal
    /// Centres of encoder outputs for training images, by k-means.
    case kMeans = "k-means"
    /// Diverse encoder outputs for training images, chosen by pivoted QR: their skeleton, by
    /// column-pivoted QR.
    case skeleton

    /// Whether it is made of encoder outputs.
    public var isOfVectors: Bool { self != .uniform && self != .normal }
  }

  /// The number of entries of a codebook, that is, of different values of one index.
  public var size: Int
  /// Channels of the vector that becomes a token.
  public var dimension: Int
  /// How the gradient passes from the entry to the encoder.
  public var gradient: Gradient
  /// Weight of the loss that moves the codebook towards the encoder.
  public var codebookWeight: Double
  /// Weight of the loss that moves the encoder towards the codebook.
  public var commitmentWeight: Double
  /// Initialization of the codebook.
  public var initialization: Initialization
  /// Updates of the codebook between steps.
  public var upkeep: CodebookUpkeep

  /// Describes codebooks and their losses.
  public init(
    size: Int, dimension: Int, gradient: Gradient, codebookWeight: Double,
    commitmentWeight: Double, initialization: Initialization = .encoder,
    upkeep: CodebookUpkeep = CodebookUpkeep()
  ) {
    self.size = size
    self.dimension = dimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
    self.upkeep = upkeep
  }

  /// Whether codes learn by gradients, and not as moving averages.
  var learnsByGradient: Bool { upkeep.learning == .gradient }

  /// What entries are drawn from before the first step: as `uniform` asks, else as the quantizer has it.
  func initializer(otherwise initializer: Initializer) -> Initializer {
    initialization == .uniform ? .uniform(bound: 1 / Float(size)) : initializer
  }

  // MARK: Fields

  /// Declares what concerns the codes that take the place of vectors.
  mutating func declareReplacement(_ fields: inout ConfigurationFields) {
    fields.integer(
      "codebookSize", &size, in: .between(2, FiniteScalarConfiguration.largestCodebook),
      "Number of codebook entries.",
      remedy: "Typical sizes are 256 to 16384.")
    fields.integer(
      "codeDimension", &dimension, in: .between(1, 8192),
      "Dimension of codes: channels of the vector that becomes a token.",
      remedy: "Typical dimensions are 4 to 64.")
    fields.choice(
      "gradient", &gradient,
      "How the gradient passes from the code to the encoder: unchanged (straight-through); rotated "
        + "and rescaled (rotation trick); rotated only; or split between code and encoder (DiVeQ), "
        + "with which both weights may be 0.")
    fields.number(
      "codebookWeight", &codebookWeight, in: .atLeast(0), isSingle: true,
      "Weight of the codebook loss, which moves codes towards encoder outputs: the squared "
        + "distance, summed over the code dimension and averaged over vectors.")
    fields.number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0), isSingle: true,
      "Weight of the commitment loss, which moves encoder outputs towards codes; reduced likewise.")
    let hasDirections = dimension > 1 || gradient == .straightThrough
    fields.check(
      "gradient", with: ["codeDimension"], hasDirections,
      expected: "\"straight-through\" with a codeDimension of 1, where vectors have no directions",
      remedy: "Raise codeDimension.")
  }

  /// Declares how entries are initialized, and what happens to them between steps.
  mutating func declareEntries(
    _ fields: inout ConfigurationFields,
    initializations: [Initialization] = Array(Initialization.allCases)
  ) {
    fields.choice(
      "initialization", &initialization, among: initializations,
      "How a codebook is initialized: encoder outputs sampled at random, random numbers, k-means "
        + "centres of encoder outputs, or skeleton, diverse encoder outputs chosen by pivoted QR."
    )
    upkeep.declare(&fields)
    let isShared = gradient == .diveq
    fields.check(
      "codebookLearning", with: ["gradient"], learnsByGradient || !isShared,
      expected: "\"gradient\" with gradient \"diveq\", which gives the codes a gradient",
      remedy: "Choose \"straight-through\" or a rotation for gradient.")
  }
}
