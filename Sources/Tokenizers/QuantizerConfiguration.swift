import Configuration

/// The discrete bottleneck: one of the quantizers.
public enum QuantizerConfiguration: Sendable, Equatable {
  /// Each channel is rounded to one of a few levels. There is no codebook to train.
  case fsq(FiniteScalarConfiguration)
  /// Each vector is replaced by the nearest entry of a trained codebook.
  case vq(VectorConfiguration)
  /// Each vector is replaced by the entry of a trained codebook that is nearest in direction.
  case cosine(CosineConfiguration)
  /// Each vector is replaced by the nearest entry of a frozen codebook that a trained map moves.
  case simvq(SimVQConfiguration)
  /// Each channel is replaced by its sign. There is no codebook.
  case lfq(LookupFreeConfiguration)
  /// Each channel of a vector's direction is replaced by its sign. There is no codebook.
  case bsq(BinarySphericalConfiguration)

  /// The number of different tokens.
  public var codebookSize: Int {
    switch self {
    case .fsq(let configuration): configuration.codebookSize
    case .vq(let configuration): configuration.codebookSize
    case .cosine(let configuration): configuration.codebookSize
    case .simvq(let configuration): configuration.codebookSize
    case .lfq(let configuration): configuration.binary.codebookSize
    case .bsq(let configuration): configuration.binary.codebookSize
    }
  }

  /// Channels of the vector that becomes one token: what `quant_conv` puts out.
  public var codeDimension: Int {
    switch self {
    case .fsq(let configuration): configuration.codeDimension
    case .vq(let configuration): configuration.codeDimension
    case .cosine(let configuration): configuration.codeDimension
    case .simvq(let configuration): configuration.codeDimension
    case .lfq(let configuration): configuration.binary.bits
    case .bsq(let configuration): configuration.binary.bits
    }
  }

  /// The word that tells the kinds apart, here and in token files.
  public var kind: String {
    switch self {
    case .fsq: "fsq"
    case .vq: "vq"
    case .cosine: "cosine-vq"
    case .simvq: "simvq"
    case .lfq: "lfq"
    case .bsq: "bsq"
    }
  }

  /// Levels of each channel where a token is made of digits, channel 0 least significant; else nil.
  public var levels: [Int]? {
    switch self {
    case .fsq(let configuration): configuration.levels
    case .vq, .cosine, .simvq: nil
    case .lfq, .bsq: Array(repeating: 2, count: codeDimension)
    }
  }

  /// How the gradient passes where a code takes a vector's place, and the weight of the loss that
  /// pulls the vector towards it; nil where there is no codebook.
  public var replacement: (gradient: VectorConfiguration.Gradient, commitmentWeight: Double)? {
    switch self {
    case .vq(let configuration): (configuration.gradient, configuration.commitmentWeight)
    case .cosine(let configuration): (configuration.gradient, configuration.commitmentWeight)
    case .simvq(let configuration): (configuration.gradient, configuration.commitmentWeight)
    case .fsq, .lfq, .bsq: nil
    }
  }

  /// Whether it can begin in the midst of training: what codes stand for has bounds or is a vector, and
  /// a codebook can be made of those.
  public var canBeDeferred: Bool {
    switch self {
    case .fsq, .vq, .cosine: true
    case .simvq, .lfq, .bsq: false
    }
  }

  /// The codebook that is trained entry by entry, as vector quantization would have it; nil where
  /// there is none.
  public var trainedCodebook: VectorConfiguration? {
    switch self {
    case .vq(let configuration): configuration
    case .cosine(let configuration):
      VectorConfiguration(
        codebookSize: configuration.codebookSize, codeDimension: configuration.codeDimension,
        gradient: configuration.gradient, codebookWeight: configuration.codebookWeight,
        commitmentWeight: configuration.commitmentWeight,
        initialization: configuration.initialization.asOfVectors, upkeep: configuration.upkeep)
    case .fsq, .simvq, .lfq, .bsq: nil
    }
  }
}

/// Finite scalar quantization: bound each channel, then round it.
///
/// Mentzer et al., "Finite Scalar Quantization: VQ-VAE Made Simple", 2309.15505.
public struct FiniteScalarConfiguration: Sendable, Equatable {
  /// The function that bounds a channel before it is rounded.
  public enum Bound: String, Sendable, CaseIterable {
    /// The hyperbolic tangent of the paper, shifted for even numbers of levels.
    case tanh
    /// The logistic function, scaled to [0, levels - 1].
    case sigmoid
    /// The logistic function of 1.6 z, scaled likewise, by which a standard normal channel comes out
    /// nearly uniform (iFSQ). Best with odd levels, where 0 is the middle of one.
    case ifsq
  }

  /// The largest codebook, 2^24 tokens: an index up to here is exact in a float.
  public static let largestCodebook = 1 << 24

  /// The number of values of each channel.
  ///
  /// Their product is the codebook size.
  public var levels: [Int]
  /// The function that bounds a channel before it is rounded.
  public var bound: Bound

  /// Describes a finite scalar quantizer.
  public init(levels: [Int] = [8, 5, 5, 5], bound: Bound = .tanh) {
    self.levels = levels
    self.bound = bound
  }

  /// The number of different tokens: the product of the levels.
  public var codebookSize: Int { levels.reduce(1, *) }

  /// Channels of the vector that becomes one token: one per entry of `levels`.
  public var codeDimension: Int { levels.count }

  /// How wide a level is in the middle of each channel, before the channel is bounded.
  ///
  /// One level over the slope of the bound at 0: (L - 1) / 2 for tanh, (L - 1) / 4 for sigmoid,
  /// 1.6 times that for iFSQ.
  public var levelWidths: [Double] {
    let slope =
      switch bound {
      case .tanh: 0.5
      case .sigmoid: 0.25
      case .ifsq: 0.4
      }
    return levels.map { 1 / (slope * Double($0 - 1)) }
  }
}

/// Vector quantization with a codebook trained by gradients or by moving averages.
///
/// The losses are `codebookWeight * |q - sg(z)|^2 + commitmentWeight * |z - sg(q)|^2`. The squared
/// norm is the sum over the code dimension; the loss is the mean of it over all vectors of the
/// batch. Van den Oord et al., "Neural Discrete Representation Learning", 1711.00937.
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
    codebookWeight: Double = 1, commitmentWeight: Double = 0.25,
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

extension QuantizerConfiguration: Configurable {
  /// What the value is.
  public static let summary = "The discrete bottleneck."
  /// Finite scalar quantization with 1000 tokens.
  public static let standard = QuantizerConfiguration.fsq(.standard)

  /// Declares the kinds.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self, isRequired: true,
      [
        ConfigurationVariant("fsq", Self.fsq) { if case .fsq(let part) = $0 { part } else { nil } },
        ConfigurationVariant("vq", Self.vq) { if case .vq(let part) = $0 { part } else { nil } },
        ConfigurationVariant("cosine-vq", Self.cosine) {
          if case .cosine(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("simvq", Self.simvq) {
          if case .simvq(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("lfq", Self.lfq) {
          if case .lfq(let part) = $0 { part } else { nil }
        },
        ConfigurationVariant("bsq", Self.bsq) {
          if case .bsq(let part) = $0 { part } else { nil }
        },
      ])
  }
}

extension FiniteScalarConfiguration: Configurable {
  /// What the value is.
  public static let summary = "Finite scalar quantization: bound each channel, then round it."
  /// Levels 8, 5, 5, 5: 1000 tokens.
  public static let standard = FiniteScalarConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integers(
      "levels", &levels, each: .atLeast(2), count: .between(1, 24),
      "The number of values of each channel; their product is the codebook size.",
      remedy: "A channel of one level has one value and says nothing: leave it out.")
    fields.choice(
      "bound", &bound,
      "The function that bounds a channel before it is rounded: the paper's tanh, the logistic "
        + "function, or ifsq, which spreads a normal channel evenly; ifsq is best with odd levels.")
    fields.check(
      "levels", product(of: levels, isAtMost: Self.largestCodebook),
      expected: "levels with a product of at most \(Self.largestCodebook)",
      remedy: "Use fewer channels or fewer levels.")
  }

  /// Whether a product stays within a limit, without computing what might overflow.
  private func product(of levels: [Int], isAtMost limit: Int) -> Bool {
    var product = 1
    for level in levels {
      guard level <= limit / product else { return false }
      product *= level
    }
    return true
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

extension ConfigurationFields {
  /// What `initialization` says of a codebook.
  static let initializationMeaning =
    "What the codebook holds before step 1: encoder outputs sampled at random, numbers drawn blindly, "
    + "centres of encoder outputs by k-means, or the skeleton, outputs that together reach far."

  /// Declares the extents of a codebook.
  mutating func codebook(size: inout Int, dimension: inout Int) {
    integer(
      "codebookSize", &size, in: .between(2, FiniteScalarConfiguration.largestCodebook),
      "The number of codebook entries, that is, of different tokens.",
      remedy: "Typical sizes are 256 to 16384.")
    integer(
      "codeDimension", &dimension, in: .between(1, 8192), "Channels of one codebook entry.",
      remedy: "Typical dimensions are 4 to 64.")
  }

  /// Declares what every quantizer with a codebook has: how gradients pass, and the weights of the
  /// losses.
  mutating func gradient(
    _ gradient: inout VectorConfiguration.Gradient, codebookWeight: inout Double,
    commitmentWeight: inout Double, dimension: Int
  ) {
    choice(
      "gradient", &gradient,
      "How the gradient passes from the codebook entry to the encoder: unchanged; rotated and "
        + "rescaled as the entry is against the vector; rotated only; or, by diveq, shared between "
        + "the two, so that both weights may be 0.")
    number(
      "codebookWeight", &codebookWeight, in: .atLeast(0),
      "Weight of the loss that moves the codebook towards the encoder: the squared norm, summed "
        + "over the code dimension and averaged over vectors.")
    number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0),
      "Weight of the loss that moves the encoder towards the codebook, reduced likewise.")
    let isStraight = gradient == .straightThrough
    check(
      "gradient", with: ["codeDimension"], dimension > 1 || isStraight,
      expected: "\"straight-through\" with a codeDimension of 1, where vectors have no directions",
      remedy: "Raise codeDimension.")
  }
}
