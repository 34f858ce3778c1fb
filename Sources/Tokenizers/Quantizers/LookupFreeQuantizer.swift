import Autodiff

/// Lookup-free quantization: a bit for each channel, its sign.
///
///     bit = z > 0,  q = 2 bit - 1,  index = sum over c of bit_c 2^c
///     loss = commitmentWeight |z - sg(q)|^2 + entropyWeight (E[H(p)] - diversity H(E[p]))
///
/// Gradients pass straight through. It has no parameters, and no table of its 2^bits codes is ever
/// made. Source: Yu et al., "Language model beats diffusion: tokenizer is key to visual generation",
/// 2310.05737.
public struct LookupFreeQuantizer: Bottleneck {
  private let losses: BinaryLosses

  /// The quantizer of a configuration.
  public init(_ configuration: LookupFreeConfiguration) {
    losses = BinaryLosses(configuration: configuration.binary, length: 1)
  }

  /// The number of different tokens.
  public var codebookSize: Int { losses.configuration.codebookSize }

  /// Replaces each channel by its sign.
  public func quantize(_ z: Tensor) -> Quantized { losses.quantize(z) }

  /// The codes of tokens, from their bits.
  public func codes(of indices: Tensor) -> Tensor { losses.codes(of: indices) }
}
