import Diagnostics
import Evaluation
import Execution
import Imaging
import Inference
import Tokenizers

/// How well a tokenizer does on a fixed set of images.
public struct EvaluationResult: Sendable, Equatable {
  /// How many images were evaluated.
  public let images: Int
  /// Peak signal to noise in dB, on 8-bit RGB, from the mean of the images' squared errors.
  public let psnr: Double
  /// Structural similarity on 8-bit RGB, the mean over images.
  public let ssim: Double
  /// The mean over tokens of the squared distance between vector and code.
  public let quantizationError: Double
  /// How often each code was used, pooled over all depths of the tokens.
  public let usage: CodebookUsage
  /// The same at each depth.
  public let depths: DepthUsage
  /// Tokens of the set: positions of its images' grids, each with an id at every depth.
  public var tokens: Int { depths.tokens }
  /// Pixels of the set, for bits per pixel.
  public let pixels: Int
  /// Images a second: encoding, quantizing, decoding.
  public let imagesPerSecond: Double
  /// How far the vectors before quantization lie apart.
  public let latents: VectorSpread

  /// Bits to tell one token, all its indices.
  public var bitsPerToken: Double {
    Information.bitsPerToken(codes: usage.codes) * Double(depths.depths.count)
  }
  /// Bits of tokens to one pixel.
  public var bitsPerPixel: Double {
    Information.bitsPerToken(codes: usage.codes) * Double(usage.ids) / Double(pixels)
  }
}

/// Evaluates tokenizers on images: PSNR, SSIM, codebook usage, quantization error.
public enum Evaluator {
  /// Images that are held in memory at once, and between two looks at whether to stop; fewer of large
  /// ones.
  static func portion(of images: [Image], lanes: Int) -> Int {
    let pixels = images.map { $0.width * $0.height }.max() ?? 1
    return max(lanes, min(64, (1 << 18) / max(1, pixels)))
  }

  /// Runs images through a codec.
  ///
  /// - Parameters:
  ///   - images: at least one; sides that are multiples of the downsampling.
  ///   - codec: the tokenizer.
  ///   - visit: called with the number of each image and its reconstruction.
  ///   - shouldStop: asked now and then; where it says so, the evaluation ends by `CancellationError`.
  public static func evaluate<B: Backend>(
    _ images: [Image], with codec: Codec<B>, visit: (Int, Image) -> Void = { _, _ in },
    shouldStop: () -> Bool = { false }
  ) throws -> EvaluationResult {
    var psnr = PeakSignalToNoise()
    var ssim = StructuralSimilarity()
    let quantizer = codec.configuration.quantizer
    var depths = DepthUsage(codes: quantizer.codebookSize, depth: quantizer.depth)
    var moments = VectorMoments(dimension: codec.configuration.quantizer.codeDimension)
    var (error, ids, pixels, seconds) = (0.0, 0, 0, 0.0)
    let clock = ContinuousClock()
    let portion = portion(of: images, lanes: codec.lanes)
    for start in stride(from: 0, to: images.count, by: portion) {
      if shouldStop() { throw CancellationError() }
      let range = start..<min(start + portion, images.count)
      let began = clock.now
      let results = try codec.reconstruct(Array(images[range]))
      seconds += began.duration(to: clock.now) / .seconds(1)
      for (index, result) in zip(range, results) {
        let original = images[index]
        psnr.add(original.pixels, result.image.pixels)
        ssim.add(
          original.pixels, result.image.pixels, width: original.width, height: original.height)
        depths.add(result.tokens.indices)
        moments.add(result.latents)
        error += result.quantizationError * Double(result.tokens.indices.count)
        ids += result.tokens.indices.count
        pixels += original.width * original.height
        visit(index, result.image)
      }
    }
    return EvaluationResult(
      images: images.count, psnr: psnr.decibels ?? 0, ssim: ssim.mean ?? 0,
      quantizationError: error / Double(max(1, ids)), usage: depths.pooled,
      depths: depths, pixels: pixels,
      imagesPerSecond: Double(images.count) / max(seconds, 1e-9),
      latents: VectorSpread(moments))
  }
}
