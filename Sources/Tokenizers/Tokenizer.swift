import Autodiff
import Layers

/// An image tokenizer: encoder, discrete bottleneck, decoder.
///
///     image -> encoder -> quant_conv -> bottleneck -> post_quant_conv -> decoder -> image
///
/// Images are RGB in [-1, 1], `[N, H, W, 3]`, with sides that are multiples of the
/// configuration's downsampling. Architecture, parameter names and layouts in checkpoints are
/// those of the `VQModel` of diffusers; FSQ keeps encoder and decoder, and its bottleneck has no
/// weights.
public struct Tokenizer {
  /// The bottleneck.
  public let bottleneck: any Bottleneck

  let encoder: Encoder
  let quantConv: Conv2D
  let postQuantConv: Conv2D
  let decoder: Decoder

  /// Declares a tokenizer's parameters.
  ///
  /// Every graph of one configuration declares the same parameters in the same order, whatever
  /// part of the tokenizer it then uses, so that they can share one memory.
  public init(_ configuration: TokenizerConfiguration, in scope: Scope) {
    let model = configuration.model
    let dimension = configuration.quantizer.codeDimension
    encoder = Encoder(model, in: scope["encoder"])
    quantConv = Conv2D(
      model.latentChannels, dimension, kernel: 1, start: .orthogonal,
      in: scope["quant_conv"])
    bottleneck = configuration.quantizer.chosen.bottleneck(in: scope["quantize"])
    postQuantConv = Conv2D(
      dimension, model.latentChannels, kernel: 1, start: .orthogonal,
      in: scope["post_quant_conv"])
    decoder = Decoder(model, in: scope["decoder"])
  }

  /// The vectors before quantization: images `[N, H, W, 3]` to `[N, H / f, W / f, d]`.
  public func latents(of images: Tensor) -> Tensor {
    quantConv(encoder(images))
  }

  /// Decodes codes to images: `[N, h, w, d]` to `[N, f * h, f * w, 3]`.
  public func decode(_ codes: Tensor) -> Tensor {
    decoder(postQuantConv(codes))
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
