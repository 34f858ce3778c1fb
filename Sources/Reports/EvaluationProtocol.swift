/// How runs were compared: which images, and what the numbers mean.
public struct EvaluationProtocol: Sendable, Equatable {
  /// The folder of the images.
  public var folder: String
  /// What they are, in words that follow a number: "images", "validation images".
  public var kind: String
  /// How many images were evaluated.
  public var images: Int
  /// How many there are.
  public var total: Int
  /// How an image became a square, in words.
  public var preparation: String
  /// The sides of the squares, in the order of the runs, each once.
  public var sizes: [Int]

  /// A protocol.
  public init(
    folder: String, kind: String = "validation images", images: Int, of total: Int,
    preparation: String, sizes: [Int]
  ) {
    self.folder = folder
    self.kind = kind
    self.images = images
    self.total = total
    self.preparation = preparation
    self.sizes = sizes
  }

  /// Which images, in words: "128 of 200 validation images in data/scenes/validation, evenly spaced".
  public var selection: String {
    if total == 1 {
      let one = kind.replacing("images", with: "image", maxReplacements: 1)
      return "the only \(one) in \(folder)"
    }
    let count = NumberText.count(images)
    return (images < total ? "\(count) of \(NumberText.count(total)) " : "all \(count) ")
      + "\(kind) in \(folder)" + (images < total ? ", evenly spaced" : "")
  }

  /// The sides in words: "32x32 pixels".
  public var squares: String { sizes.map { "\($0)x\($0)" }.joined(separator: ", ") + " pixels" }

  /// What was done, by keyword.
  public var statements: [(key: String, words: String)] {
    let different =
      sizes.count > 1
      ? " The runs differ in image size: each is evaluated at its own size, from the same "
        + "files, so compare PSNR, SSIM and bits/pixel only between runs of one size." : ""
    return [
      ("images", "\(selection), the same for all runs; \(preparation), \(squares).\(different)"),
      (
        "PSNR",
        "10 log10(255^2 / MSE) on 8-bit RGB after rounding, of the mean of the images' mean squared "
          + "errors."
      ),
      (
        "SSIM",
        "on 8-bit RGB, Gaussian window 11x11 with sigma 1.5, mean over positions, channels, images."
      ),
      (
        "usage",
        "codes used at least once by all n ids of the set, one a token at each depth; uniform is what uniform sampling "
          + "would show, 1 - (1 - 1/K)^n; perplexity is exp(entropy)."
      ),
      (
        "error",
        "quantization error, the mean over tokens of |z - q|^2, summed over the channels of z (FSQ: "
          + "between bounded and rounded channel, scaled to -1...1); not comparable between quantizers."
      ),
      (
        "speed",
        "training: median of the run's log, on the machine that trained it; evaluation: encode, "
          + "quantize, decode, on this machine now."
      ),
      (
        "verdict",
        "codebook collapse: few codes are used, or few carry all tokens; embedding collapse: the "
          + "vectors before quantization, or the used codes, have collapsed to a point or a line; still "
          + "improving: PSNR rose by more than 1 dB over the second half of the run; too early to "
          + "judge: too few steps; healthy: none of these."
      ),
    ]
  }
}
