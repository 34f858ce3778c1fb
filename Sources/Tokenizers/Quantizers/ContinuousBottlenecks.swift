import Autodiff
import Configuration
import Files

// MARK: A posterior with a KL term

/// A continuous bottleneck: the encoder puts out a normal distribution of each latent, and training
/// draws from it.
///
/// The autoencoder of latent diffusion: Rombach et al., "High-resolution image synthesis with latent
/// diffusion models", 2112.10752. Names and layouts of its weights are those of the `AutoencoderKL` of
/// diffusers, where `latentChannels` of the model is `channels`.
public struct KLConfiguration: Sendable, Equatable {
  /// Channels of a latent vector: means and log-variances each.
  public var channels: Int
  /// Weight of the KL divergence.
  public var weight: Double
  /// What generative models multiply latents by, so that their deviation is about 1.
  ///
  /// Neither training nor decoding uses it: it is a word to those who use the latents.
  public var scalingFactor = 1.0
  /// What generative models subtract from latents before.
  public var shiftFactor = 0.0

  /// Describes a bottleneck.
  public init(channels: Int = 4, weight: Double = 1e-6) {
    self.channels = channels
    self.weight = weight
  }
}

extension KLConfiguration: Quantizer {
  /// In configurations, latent files and reports.
  public static let word = "kl"
  /// Summary for the schema.
  public static let summary =
    "Not quantized: a normal distribution of each latent, held near the standard one by a KL term."
  /// Four channels, and the weight of latent diffusion.
  public static let standard = KLConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "channels", &channels, in: .between(1, 8192),
      "Channels of a latent vector; at most model.latentChannels. With as many as those, weights are "
        + "those of diffusers' AutoencoderKL.")
    fields.number(
      "weight", &weight, in: .atLeast(0), isSingle: true,
      "Weight of the KL divergence from the standard normal distribution: of the sum over an image's "
        + "latents beside the sum of the reconstruction loss over its values, as in latent diffusion."
    )
    fields.number(
      "scalingFactor", &scalingFactor, in: .between(1e-6, 1e6), isSingle: true,
      isWritten: { $0 != 1 },
      "Generative models take (x - shiftFactor) * scalingFactor for latents x (encode --scale).")
    fields.number(
      "shiftFactor", &shiftFactor, in: .between(-1e6, 1e6), isSingle: true,
      isWritten: { $0 != 0 },
      "Generative models take (x - shiftFactor) * scalingFactor for latents x (encode --scale).")
  }

  /// There are no codes.
  public var codebookSize: Int { 0 }
  /// The channels of a latent.
  public var codeDimension: Int { channels }
  /// Mean and log-variance.
  public var outputsPerChannel: Int { 2 }
  /// It is.
  public var isContinuous: Bool { true }
  /// It draws latents.
  public var drawsNoise: Bool { true }
  /// There is nothing to defer.
  public var canBeDeferred: Bool { false }
  /// The number of channels.
  public var sizeText: String { "\(channels)" }

  /// Channels and weight.
  public var presentation: QuantizerPresentation {
    QuantizerPresentation(
      kind: Self.word, shape: sizeText,
      facts: JSONObject(["channels": .integer(channels), "weight": .number(weight)]), codes: 0,
      measures: [.latents],
      remedy: "use a smaller quantizer.weight (it is \(JSONValue.number(weight).compactText))")
  }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { PosteriorBottleneck(self) }
}

/// A continuous bottleneck whose latents are drawn, in training, from a normal distribution each.
///
///     mean, logvar = z[..., 0..<d], clamp(z[..., d..<2 d], -30, 20)
///     latent       = mean + exp(logvar / 2) noise        in training
///     latent       = mean                                everywhere else
///     KL           = 1/2 (mean^2 + exp(logvar) - 1 - logvar)      nats, of each latent
///     loss         = weight (sum of KL over an image) / (H W 3)
///
/// The reconstruction loss is a mean over an image's values, so that the loss is that of latent
/// diffusion over `H W 3`: there both are sums. It has no parameters.
public struct PosteriorBottleneck: Bottleneck {
  private let channels: Int
  private let weight: Float

  /// What tells its noise from other noise of a model.
  static let site: UInt32 = 0x6B6C

  /// The bottleneck of a configuration.
  public init(_ configuration: KLConfiguration) {
    (channels, weight) = (configuration.channels, Float(configuration.weight))
  }

  /// The means.
  public func quantize(_ z: Tensor) -> Quantized {
    let (mean, logVariance) = posterior(z)
    return latents(mean, mean, logVariance)
  }

  /// Latents drawn by noise, a function of an image's key.
  public func draw(_ z: Tensor, keys: Tensor) -> Quantized {
    let (mean, logVariance) = posterior(z)
    let noise = mean.graph.normalNoise(mean.shape, site: Self.site, keys: keys)
    let drawn = Tensor.elementwise("drawn latents", mean, logVariance, noise) {
      $0[0] + exp($0[1] * .constant(0.5)) * $0[2]
    }
    return latents(drawn, mean, logVariance)
  }

  /// There are no tokens.
  public func codes(of indices: Tensor) -> Tensor {
    preconditionFailure("a continuous bottleneck has no tokens")
  }

  private func posterior(_ z: Tensor) -> (mean: Tensor, logVariance: Tensor) {
    (
      z.channels(0..<channels),
      .elementwise("clamp", z.channels(channels..<2 * channels)) {
        .binary(.minimum, maximum($0[0], .constant(-30)), .constant(20))
      }
    )
  }

  private func latents(_ latents: Tensor, _ mean: Tensor, _ logVariance: Tensor) -> Quantized {
    let divergence = Tensor.elementwise("KL divergence", mean, logVariance) {
      ($0[0] * $0[0] + exp($0[1]) - .constant(1) - $0[1]) * .constant(0.5)
    }
    // The mean over images of the sum over each one's latents.
    let kl = divergence.mean() * Float(mean.shape.count / mean.shape[0])
    return Quantized(
      codes: latents, vectors: mean, target: mean, indices: nil, imageLoss: kl * weight,
      divergence: divergence, statistics: ["kl": kl])
  }
}

// MARK: None

/// No bottleneck but the grid itself: a plain autoencoder whose latents are held small.
public struct PlainConfiguration: Sendable, Equatable {
  /// Channels of a latent vector.
  public var channels: Int
  /// Weight of the latents' mean square.
  public var penalty: Double

  /// Describes a bottleneck.
  public init(channels: Int = 4, penalty: Double = 1e-4) {
    self.channels = channels
    self.penalty = penalty
  }
}

extension PlainConfiguration: Quantizer {
  /// In configurations, latent files and reports.
  public static let word = "none"
  /// Summary for the schema.
  public static let summary =
    "Not quantized: a plain autoencoder, whose latents a light penalty holds small."
  /// Four channels.
  public static let standard = PlainConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integer(
      "channels", &channels, in: .between(1, 8192),
      "Channels of a latent vector; at most model.latentChannels.")
    fields.number(
      "penalty", &penalty, in: .atLeast(0), isSingle: true,
      "Weight of the mean square of the latents, which keeps their scale from growing.")
  }

  /// There are no codes.
  public var codebookSize: Int { 0 }
  /// The channels of a latent.
  public var codeDimension: Int { channels }
  /// It is.
  public var isContinuous: Bool { true }
  /// There is nothing to defer.
  public var canBeDeferred: Bool { false }
  /// The number of channels.
  public var sizeText: String { "\(channels)" }

  /// Channels and penalty.
  public var presentation: QuantizerPresentation {
    QuantizerPresentation(
      kind: Self.word, shape: sizeText,
      facts: JSONObject(["channels": .integer(channels), "penalty": .number(penalty)]), codes: 0,
      measures: [.latents], remedy: "use a smaller quantizer.penalty")
  }

  /// There are no parameters to declare.
  public func bottleneck(in scope: Scope) -> any Bottleneck { PlainBottleneck(self) }
}

/// No bottleneck: latents as they are.
///
///     loss = penalty mean(z^2)
///
/// It has no parameters.
public struct PlainBottleneck: Bottleneck {
  private let penalty: Float

  /// The bottleneck of a configuration.
  public init(_ configuration: PlainConfiguration) { penalty = Float(configuration.penalty) }

  /// The latents themselves.
  public func quantize(_ z: Tensor) -> Quantized {
    let square = (z * z).mean()
    return Quantized(
      codes: z, vectors: z, target: z, indices: nil, auxiliaryLoss: square * penalty,
      statistics: ["latentSquare": square])
  }

  /// There are no tokens.
  public func codes(of indices: Tensor) -> Tensor {
    preconditionFailure("a continuous bottleneck has no tokens")
  }
}
