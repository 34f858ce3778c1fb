import Imaging
import Tokenizers

/// What turns images into tokens, or latents, and back: bit by bit the same, whichever it is.
public protocol ImageCodec: AnyObject {
  /// The tokenizer's configuration.
  var configuration: TokenizerConfiguration { get }
  /// Threads' worth of work that are computed at once.
  var lanes: Int { get }

  /// The tokens of images whose sides are multiples of the downsampling.
  func encode(_ images: [Image]) throws -> [TokenGrid]

  /// The tokens of images that are given as numbers.
  ///
  /// - Parameters:
  ///   - sizes: the sides of each image in pixels, multiples of the downsampling.
  ///   - write: writes the numbers of an image, `[height, width, 3]` in [-1, 1]; called by the lanes.
  func encode(
    _ sizes: [(height: Int, width: Int)],
    write: @escaping (_ image: Int, _ numbers: UnsafeMutablePointer<Float>) -> Void
  ) throws -> [TokenGrid]

  /// The vectors before quantization of images, row by row, `[h * w, d]` each.
  func vectors(of images: [Image]) throws -> [[Float]]

  /// The latents of images, where the bottleneck is continuous; of distributions the means, or drawn by a
  /// key for each image.
  func latents(of images: [Image], drawnBy keys: [Int32]?) throws -> [LatentGrid]

  /// The images that tokens stand for.
  func decode(_ grids: [TokenGrid]) throws -> [Image]

  /// The images that latents stand for, where the bottleneck is continuous.
  func decode(latents grids: [LatentGrid]) throws -> [Image]

  /// The tokenizer's own forward pass on images.
  func reconstruct(_ images: [Image]) throws -> [ImageReconstruction]
}

/// The tasks of a codec.
public enum CodecTask: Hashable, Sendable {
  /// From pixels to tokens, or latents.
  case encode
  /// From pixels to latents drawn from their distributions.
  case draw
  /// From pixels to the vectors before quantization.
  case vectors
  /// From tokens, or latents, to pixels.
  case decode
  /// From pixels to pixels, by way of tokens or latents.
  case reconstruct
}

/// What a tokenizer's own forward pass makes of one image.
public struct ImageReconstruction: Sendable {
  /// Its tokens; an empty grid where the bottleneck is continuous.
  public let tokens: TokenGrid
  /// The decoded image.
  public let image: Image
  /// The mean over its tokens of the squared distance between vector and code.
  public let quantizationError: Double
  /// The vectors before quantization, row by row, `[h * w, d]`.
  public let latents: [Float]
  /// The KL divergence of each latent in nats, `[h * w, d]`; empty where latents are no distributions.
  public let divergences: [Float]

  /// A result by its parts.
  package init(
    tokens: TokenGrid, image: Image, quantizationError: Double, latents: [Float],
    divergences: [Float]
  ) {
    (self.tokens, self.image, self.quantizationError) = (tokens, image, quantizationError)
    (self.latents, self.divergences) = (latents, divergences)
  }
}
