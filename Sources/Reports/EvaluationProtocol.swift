/// How runs were compared: which images, and what the numbers mean.
public struct EvaluationProtocol: Sendable, Equatable {
  /// The folder of the images.
  public var folder: String
  /// Which of its images, in words.
  public var selection: String
  /// How an image became a square, in words.
  public var preparation: String
  /// How many images there are.
  public var images: Int
  /// The sides of the squares, in the order of the runs, each once.
  public var sizes: [Int]

  /// A protocol.
  public init(
    folder: String, selection: String, preparation: String, images: Int, sizes: [Int]
  ) {
    self.folder = folder
    self.selection = selection
    self.preparation = preparation
    self.images = images
    self.sizes = sizes
  }

  /// What was done, by keyword.
  public var statements: [(key: String, words: String)] {
    let squares = sizes.map { "\($0)x\($0)" }.joined(separator: ", ")
    let different =
      sizes.count > 1
      ? " The runs differ in image size: each is evaluated on its own size, made from the same "
        + "files, so compare PSNR, SSIM and bits/pixel only between runs of one size." : ""
    return [
      (
        "images",
        "\(NumberText.count(images)) \(images == 1 ? "image" : "images") of \(folder), "
          + "\(selection), the same for all runs; \(preparation), \(squares) pixels.\(different)"
      ),
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
        "codes used at least once by all n tokens of the set; uniform is what a code drawn uniformly "
          + "would show, 1 - (1 - 1/K)^n; perplexity is exp(entropy)."
      ),
      (
        "error",
        "quantization error, the mean over tokens of |z - q|^2, summed over the channels of z (FSQ: "
          + "between bounded and rounded channel, scaled to -1...1); not comparable between quantizers."
      ),
      (
        "speed",
        "training: median of the run's journal, on the machine that trained it; evaluation: encode, "
          + "quantize, decode, on this machine now."
      ),
    ]
  }
}
