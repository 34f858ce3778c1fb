import Evaluation

/// The least that a reconstruction must beat: each image replaced by its mean colour.
///
/// It takes three bytes an image, whatever its size. A tokenizer below it has learnt nothing that
/// differs within an image.
public struct MeanColourBaseline: Sendable {
  private var error = PeakSignalToNoise()

  /// No images yet.
  public init() {}

  /// Adds one image of interleaved RGB bytes; its mean colour is rounded to 8 bits.
  public mutating func add(_ pixels: [UInt8]) {
    precondition(!pixels.isEmpty && pixels.count % 3 == 0, "three bytes for each pixel")
    var sums = [0, 0, 0]
    for (index, value) in pixels.enumerated() { sums[index % 3] += Int(value) }
    let count = pixels.count / 3
    let mean = sums.map { UInt8(($0 + count / 2) / count) }
    error.add(pixels, pixels.indices.map { mean[$0 % 3] })
  }

  /// PSNR in dB, defined as everywhere; nil for no images.
  public var decibels: Double? { error.decibels }
}
