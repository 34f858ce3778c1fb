import Autodiff

/// Turns latent vectors into tokens and back: what a ``Quantizer`` records in a graph.
public protocol Bottleneck {
  /// Quantizes vectors.
  ///
  /// - Parameter z: `[N, h, w, d]`, the output of `quant_conv`.
  func quantize(_ z: Tensor) -> Quantized

  /// The codes that tokens stand for: the only way from tokens to the decoder's input, in
  /// training as in decoding.
  ///
  /// - Parameter indices: `[N, h, w]`, or `[N, h, w, depth]` where the depth is more than 1.
  /// - Returns: `[N, h, w, d]`.
  func codes(of indices: Tensor) -> Tensor

  /// Unquantized codes: the decoder input while quantization
  /// is deferred, `[N, h, w, d]`.
  func continuous(_ z: Tensor) -> Tensor
}

extension Bottleneck {
  /// The vectors themselves.
  public func continuous(_ z: Tensor) -> Tensor { z }
}

/// The output of a bottleneck for a batch of vectors.
public struct Quantized {
  /// The codes `[N, h, w, d]`, whose gradient reaches the vectors by the bottleneck's estimator.
  public let codes: Tensor
  /// The vectors that the quantizer compares with each other and with codes, `[N, h, w, d]`: the
  /// latents, or their directions where nothing else counts.
  public let vectors: Tensor
  /// The vectors that codes approximate, in the space of codes, `[N, h, w, d]`.
  ///
  /// The quantization error is the mean over vectors of `|target - code|^2`.
  public let target: Tensor
  /// The tokens `[N, h, w]`, or `[N, h, w, depth]` where the depth is more than 1.
  public let indices: Tensor
  /// Loss added to the reconstruction loss, if the quantizer has one.
  public let auxiliaryLoss: Tensor?
  /// Scalars to report, by name.
  public let statistics: [String: Tensor]
}

/// Tokens of several indices: how the indices of all depths lie in one tensor.
enum TokenDepth {
  /// `[N, h, w]` for each depth, as `[N, h, w, depth]`.
  static func stacked(_ indices: [Tensor]) -> Tensor {
    .concatenatingChannels(
      of: indices.map { $0.reshaped(Shape($0.shape.dimensions + [1])) })
  }

  /// `[N, h, w, depth]` as `[N, h, w]` for each depth.
  static func separated(_ indices: Tensor) -> [Tensor] {
    let grid = Shape(indices.shape.dimensions.dropLast())
    return (0..<indices.shape.channels).map { indices.channels($0..<$0 + 1).reshaped(grid) }
  }
}
