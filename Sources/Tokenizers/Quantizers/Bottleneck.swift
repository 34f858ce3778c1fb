import Autodiff

/// Turns latent vectors into tokens and back; one variant per file.
public protocol Bottleneck {
  /// The number of different values of one index: of different tokens, where these have but one.
  var codebookSize: Int { get }

  /// The number of indices to a token.
  var depth: Int { get }

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

  /// One id per token.
  public var depth: Int { 1 }
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
