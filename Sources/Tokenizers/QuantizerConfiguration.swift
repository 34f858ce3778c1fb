import Configuration

/// The discrete bottleneck: finite scalar quantization or vector quantization.
public enum QuantizerConfiguration: Sendable, Equatable {
  /// Each channel is rounded to one of a few levels. There is no codebook to train.
  case fsq(FiniteScalarConfiguration)
  /// Each vector is replaced by the nearest entry of a trained codebook.
  case vq(VectorConfiguration)

  /// The number of different tokens.
  public var codebookSize: Int {
    switch self {
    case .fsq(let configuration): configuration.codebookSize
    case .vq(let configuration): configuration.codebookSize
    }
  }

  /// Channels of the vector that becomes one token: what `quant_conv` puts out.
  public var codeDimension: Int {
    switch self {
    case .fsq(let configuration): configuration.codeDimension
    case .vq(let configuration): configuration.codeDimension
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
}

/// Vector quantization with a codebook trained by gradients.
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
  }

  /// What the codebook holds before the first step.
  public enum Initialization: String, Sendable, CaseIterable {
    /// Encoder outputs sampled from the first batch.
    case encoder
    /// Uniform in [-1 / codebookSize, 1 / codebookSize].
    case uniform
    /// Standard normal.
    case normal
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

  /// Describes a vector quantizer.
  public init(
    codebookSize: Int = 1024, codeDimension: Int = 8, gradient: Gradient = .straightThrough,
    codebookWeight: Double = 1, commitmentWeight: Double = 0.25,
    initialization: Initialization = .encoder
  ) {
    self.codebookSize = codebookSize
    self.codeDimension = codeDimension
    self.gradient = gradient
    self.codebookWeight = codebookWeight
    self.commitmentWeight = commitmentWeight
    self.initialization = initialization
  }
}

extension QuantizerConfiguration: Configurable {
  /// What the value is.
  public static let summary = "The discrete bottleneck."
  /// Finite scalar quantization with 1000 tokens.
  public static let standard = QuantizerConfiguration.fsq(.standard)

  /// Declares the kinds, `fsq` and `vq`.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self, isRequired: true,
      [
        ConfigurationVariant("fsq", Self.fsq) { if case .fsq(let part) = $0 { part } else { nil } },
        ConfigurationVariant("vq", Self.vq) { if case .vq(let part) = $0 { part } else { nil } },
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
    fields.choice("bound", &bound, "The function that bounds a channel before it is rounded.")
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
  public static let summary = "Vector quantization with a codebook trained by gradients."
  /// A codebook of 1024 entries of dimension 8, straight-through.
  public static let standard = VectorConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "codebookSize", &codebookSize, in: .between(2, FiniteScalarConfiguration.largestCodebook),
      "The number of codebook entries, that is, of different tokens.",
      remedy: "Typical sizes are 256 to 16384.")
    fields.integer(
      "codeDimension", &codeDimension, in: .between(1, 8192), "Channels of one codebook entry.",
      remedy: "Typical dimensions are 4 to 64.")
    fields.choice(
      "gradient", &gradient, "How the gradient passes from the codebook entry to the encoder.")
    fields.number(
      "codebookWeight", &codebookWeight, in: .atLeast(0),
      "Weight of the loss that moves the codebook towards the encoder: the squared norm, summed "
        + "over the code dimension and averaged over vectors.")
    fields.number(
      "commitmentWeight", &commitmentWeight, in: .atLeast(0),
      "Weight of the loss that moves the encoder towards the codebook, reduced likewise.")
    fields.choice("initialization", &initialization, "What the codebook holds before step 1.")
  }
}
