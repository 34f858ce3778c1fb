import Autodiff

/// Binary spherical quantization: a vector's direction, and of this a bit for each channel, its sign.
///
///     u = z / |z|,  bit = u > 0,  q = (2 bit - 1) / sqrt(bits),  index = sum over c of bit_c 2^c
///     loss = commitmentWeight |u - sg(q)|^2 + entropyWeight (E[H(p)] - diversity H(E[p]))
///
/// Vectors and codes lie on the unit sphere, so that the quantization error is bounded. Gradients pass
/// straight through to the direction, and on through the normalization. It has no parameters. Source:
/// Zhao et al., "Image and video tokenization with binary spherical quantization", 2406.07548.
public struct BinarySphericalQuantizer: Bottleneck {
  private let losses: BinaryLosses

  /// The quantizer of a configuration.
  public init(_ configuration: BinarySphericalConfiguration) {
    losses = BinaryLosses(
      configuration: configuration.binary,
      length: 1 / Float(configuration.binary.bits).squareRoot())
  }

  /// The number of different tokens.
  public var codebookSize: Int { losses.configuration.codebookSize }

  /// Replaces each vector by the corner with the signs of its direction.
  public func quantize(_ z: Tensor) -> Quantized { losses.quantize(z.rowNormalized()) }

  /// The codes of tokens, from their bits.
  public func codes(of indices: Tensor) -> Tensor { losses.codes(of: indices) }
}
