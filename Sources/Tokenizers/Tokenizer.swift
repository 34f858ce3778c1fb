import Autodiff
import Configuration
import Layers

/// An image tokenizer: encoder, bottleneck, decoder.
///
///     image -> encoder -> quant_conv -> bottleneck -> post_quant_conv -> decoder -> image
///
/// Images are RGB in [-1, 1], `[N, H, W, 3]`, with sides that are multiples of the
/// configuration's downsampling. Architecture, parameter names and layouts in checkpoints are
/// those of the `VQModel` of diffusers; FSQ keeps encoder and decoder, and its bottleneck has no
/// weights. With the bottleneck `kl` it is the `AutoencoderKL` of diffusers, and makes no tokens. One whose
/// decoder was never published encodes alone.
public struct Tokenizer {
  /// The bottleneck.
  public let bottleneck: any Bottleneck

  let encoder: Encoder
  let quantConv: Conv2D
  /// From codes to images; nil where there are no weights for it.
  private let synthesis: (postQuantConv: Conv2D, decoder: Decoder)?

  /// Declares a tokenizer's parameters.
  ///
  /// Every graph of one configuration declares the same parameters in the same order, whatever
  /// part of the tokenizer it then uses, so that they can share one memory.
  public init(_ configuration: TokenizerConfiguration, in scope: Scope) {
    let model = configuration.model
    let scope = scope.reducing(model.compression)
    let dimension = configuration.quantizer.codeDimension
    let outputs = configuration.quantizer.chosen.outputsPerChannel
    func part(_ name: String) -> Scope {
      let isFrozen = configuration.frozen.contains(TokenizerPart(ofParameter: name))
      return isFrozen ? scope[name].frozen : scope[name]
    }
    encoder = Encoder(model, outputsPerChannel: outputs, in: part("encoder"))
    quantConv = Conv2D(
      outputs * model.latentChannels, outputs * dimension, kernel: 1, start: .orthogonal,
      in: part("quant_conv"))
    bottleneck = configuration.quantizer.chosen.bottleneck(in: part("quantize"))
    guard configuration.hasDecoder else {
      synthesis = nil
      return
    }
    synthesis = (
      Conv2D(
        dimension, model.latentChannels, kernel: 1, start: .orthogonal,
        in: part("post_quant_conv")),
      Decoder(model, codeDimension: dimension, in: part("decoder"))
    )
  }

  /// The vectors before quantization: images `[N, H, W, 3]` to `[N, H / f, W / f, d]`; with means and
  /// log-variances `[N, H / f, W / f, 2 d]`.
  public func latents(of images: Tensor) -> Tensor {
    quantConv(encoder(images))
  }

  /// Decodes codes to images: `[N, h, w, d]` to `[N, f * h, f * w, 3]`; not without a decoder.
  public func decode(_ codes: Tensor) -> Tensor {
    guard let synthesis else { preconditionFailure("an encoder alone decodes nothing") }
    return synthesis.decoder(synthesis.postQuantConv(codes), codes: codes)
  }

  /// The forward pass: images, quantized and decoded.
  public func callAsFunction(_ images: Tensor) -> Reconstruction {
    let quantized = bottleneck.quantize(latents(of: images))
    return Reconstruction(images: decode(quantized.codes), quantized: quantized)
  }

  /// Images after the round trip, with what happened in the middle.
  public struct Reconstruction {
    /// The decoded images `[N, H, W, 3]`, roughly in [-1, 1].
    public let images: Tensor
    /// Codes, tokens and losses.
    public let quantized: Quantized
  }

  /// The names of the codebooks that are trained entry by entry, among the parameters: one for each
  /// depth of the tokens, none where the quantizer has none.
  public static func codebookNames(_ quantizer: QuantizerConfiguration) -> [String] {
    quantizer.chosen.codebookNames.map { "quantize." + $0 }
  }
}

/// Configuration of a tokenizer's weights: the networks and the quantizer between them.
public struct TokenizerConfiguration: Sendable, Equatable {
  /// The shape of the encoder and the decoder.
  public var model: ModelConfiguration
  /// The bottleneck.
  public var quantizer: QuantizerConfiguration
  /// The parts that are not trained: no file says it, and nothing that is encoded depends on it.
  public var frozen: Set<TokenizerPart> = []
  /// Whether there are weights to decode with; the weights' origin says it.
  public var hasDecoder = true

  /// Describes a tokenizer of which all parts are trained.
  public init(
    model: ModelConfiguration = ModelConfiguration(),
    quantizer: QuantizerConfiguration = .fsq(FiniteScalarConfiguration())
  ) {
    self.model = model
    self.quantizer = quantizer
  }
}

extension TokenizerConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "What the weights of a tokenizer depend on."
  /// The standard networks with finite scalar quantization between them.
  public static let standard = TokenizerConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.object("model", &model, ModelConfiguration.summary)
    fields.object("quantizer", &quantizer, QuantizerConfiguration.summary)
    checkCompression(&fields)
  }

  /// Checks that compressed layers are layers of the networks.
  public func checkCompression(_ fields: inout ConfigurationFields) {
    var whole = self
    whole.model.compression = ReducedLayers()
    fields.check(
      model.compression, in: "model.compression", with: ["model", "quantizer"],
      groups: model.normGroups
    ) {
      let graph = Graph()
      _ = Tokenizer(whole, in: Scope(graph))
      return graph.parameters
    }
  }
}

/// The shape of the encoder and the decoder, which mirror each other.
///
/// Both have one level per entry of `channels`. Between two levels the encoder halves height and
/// width, and the decoder doubles them. Names and meaning follow the `VQModel` of diffusers.
public struct ModelConfiguration: Sendable, Equatable {
  /// Channels of each level, from the full image to the smallest grid.
  public var channels: [Int]
  /// Residual blocks per level of the encoder.
  ///
  /// The decoder has one more.
  public var blocksPerLevel: Int
  /// Channels the encoder puts out, before `quant_conv` maps them to the code dimension.
  public var latentChannels: Int
  /// Indices of the levels with self-attention after each residual block.
  ///
  /// Level 0 is the image.
  public var attentionLevels: [Int]
  /// Whether the middle of encoder and decoder has self-attention.
  public var middleAttention: Bool
  /// Groups of every group normalization.
  ///
  /// Divides each entry of `channels`.
  public var normGroups: Int
  /// Differences from the standard networks.
  public var layout = ModelLayout()
  /// Layers that were made smaller after training.
  public var compression = ReducedLayers()

  /// Describes an encoder and a decoder.
  public init(
    channels: [Int] = [64, 128], blocksPerLevel: Int = 1, latentChannels: Int = 4,
    attentionLevels: [Int] = [], middleAttention: Bool = false, normGroups: Int = 32
  ) {
    self.channels = channels
    self.blocksPerLevel = blocksPerLevel
    self.latentChannels = latentChannels
    self.attentionLevels = attentionLevels
    self.middleAttention = middleAttention
    self.normGroups = normGroups
  }
}

extension ModelConfiguration: Configurable {
  /// Summary for the schema.
  public static let summary = "The shape of the encoder and the decoder, which mirror each other."
  /// Two levels of 64 and 128 channels.
  public static let standard = ModelConfiguration()

  /// Declares the fields.
  public mutating func declare(_ fields: inout ConfigurationFields) {
    fields.integers(
      "channels", &channels, each: .between(1, 8192), count: .between(1, 12),
      "Channels of each level, from the full image to the smallest grid; each level after the "
        + "first halves height and width.")
    fields.integer(
      "blocksPerLevel", &blocksPerLevel, in: .between(1, 16),
      "Residual blocks per level of the encoder; the decoder has one more.")
    fields.integer(
      "latentChannels", &latentChannels, in: .between(1, 8192),
      "Output channels of the encoder, before quant_conv maps them to the code dimension.")
    fields.integers(
      "attentionLevels", &attentionLevels, each: .atLeast(0), count: .between(0, 12),
      "Indices of the levels with self-attention; 0 is the level of the full image.")
    fields.flag(
      "middleAttention", &middleAttention,
      "Whether the middle of encoder and decoder has self-attention.")
    fields.integer(
      "normGroups", &normGroups, in: .between(1, 8192),
      "Groups of every group normalization; divides each entry of channels.")
    fields.object(
      "layout", &layout, isWritten: { $0 != .standard }, ModelLayout.summary)
    fields.compression(&compression)
    checkLayout(&fields)
    let (levels, groups) = (channels.count, normGroups)
    fields.check(
      "channels", with: ["normGroups"], channels.allSatisfy { $0 % groups == 0 },
      expected: "multiples of normGroups = \(groups)",
      remedy: "The nearest are \(channels.map { max(1, ($0 + groups / 2) / groups) * groups }).")
    fields.check(
      "attentionLevels", with: ["channels"],
      attentionLevels.allSatisfy { $0 < levels }
        && Set(attentionLevels).count == attentionLevels.count,
      expected: "different levels from 0 to \(levels - 1), as channels has \(levels)")
  }
}
