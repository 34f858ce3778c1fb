import Configuration

/// The shape of a continuous prior: the key `model` of a configuration of kind "continuous".
public struct ContinuousConfiguration: Sendable, Equatable {
  /// The transformer.
  public var transformer: TransformerConfiguration
  /// What models the distribution of the next vector.
  public var head: HeadConfiguration

  /// Describes a prior.
  public init(
    transformer: TransformerConfiguration = TransformerConfiguration(),
    head: HeadConfiguration = .diffusion(DiffusionHeadConfiguration())
  ) {
    (self.transformer, self.head) = (transformer, head)
  }
}

extension ContinuousConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The transformer that predicts vectors."
  /// Six layers of 256 channels with a diffusion head.
  public static let standard = ContinuousConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    transformer.declareShape(&fields)
    fields.object("head", &head, HeadConfiguration.summary)
  }
}

/// What models the distribution of the next vector, given what the transformer knows.
public enum HeadConfiguration: Sendable, Equatable {
  /// A small diffusion model.
  case diffusion(DiffusionHeadConfiguration)
  /// A normal distribution about the predicted vector.
  case gaussian(GaussianHeadConfiguration)

  /// The word that tells the kinds apart.
  public var word: String {
    switch self {
    case .diffusion: DiffusionHeadConfiguration.word
    case .gaussian: GaussianHeadConfiguration.word
    }
  }

  /// The diffusion head, if it is one.
  public var diffusion: DiffusionHeadConfiguration? {
    if case .diffusion(let head) = self { head } else { nil }
  }
}

extension HeadConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "What models the distribution of the next vector."
  /// A diffusion model.
  public static let standard = HeadConfiguration.diffusion(.standard)

  /// Declares the kinds.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.variant(
      "type", &self,
      [
        ConfigurationVariant(DiffusionHeadConfiguration.word, Self.diffusion) {
          if case .diffusion(let head) = $0 { head } else { nil }
        },
        ConfigurationVariant(GaussianHeadConfiguration.word, Self.gaussian) {
          if case .gaussian(let head) = $0 { head } else { nil }
        },
      ])
  }
}

/// A diffusion head: a residual network that takes noise from a vector, given what the transformer knows.
public struct DiffusionHeadConfiguration: Sendable, Equatable {
  /// In configurations and reports.
  public static let word = "diffusion"

  /// Channels of its rows.
  public var width: Int
  /// Residual blocks.
  public var layers: Int
  /// Noise levels that each position is trained with in a step.
  public var levels: Int
  /// The mean of the logarithm of training's noise levels.
  public var noiseMean: Double
  /// Their standard deviation.
  public var noiseDeviation: Double

  /// Describes a head; the noise is that of Karras et al., 2022.
  public init(
    width: Int = 256, layers: Int = 3, levels: Int = 4, noiseMean: Double = -1.2,
    noiseDeviation: Double = 1.2
  ) {
    (self.width, self.layers, self.levels) = (width, layers, levels)
    (self.noiseMean, self.noiseDeviation) = (noiseMean, noiseDeviation)
  }
}

extension DiffusionHeadConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "A residual network that denoises the next vector, given what the transformer knows."
  /// Three blocks of 256 channels, four noise levels a step.
  public static let standard = DiffusionHeadConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer("width", &width, in: .between(1, 1 << 16), "Channels of the head's rows.")
    fields.integer("layers", &layers, in: .between(1, 256), "Residual blocks of the head.")
    fields.integer(
      "levels", &levels, in: .between(1, 256),
      "Noise levels drawn for each position in each step; the transformer runs once for all.")
    fields.number(
      "noiseMean", &noiseMean, in: .between(-10, 10),
      "Mean of the natural logarithm of training's noise levels, of data with deviation 1/2.")
    fields.number(
      "noiseDeviation", &noiseDeviation, in: .between(0.01, 10),
      "Standard deviation of the logarithm of training's noise levels.")
  }
}

/// A gaussian head: the next vector is predicted, and its error taken for normally distributed.
public struct GaussianHeadConfiguration: Sendable, Equatable {
  /// In configurations and reports.
  public static let word = "gaussian"

  /// Describes a head.
  public init() {}
}

extension GaussianHeadConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary =
    "The squared error: the next vector is normally distributed about a prediction."
  /// There is nothing to choose.
  public static let standard = GaussianHeadConfiguration()

  /// There are no fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {}
}
