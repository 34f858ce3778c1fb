import Imaging
import Randomness

/// How an image of any size becomes a square of numbers: resize, crop, flip.
///
/// Resizing is the same every time and is done once, before an image is cached; cropping and
/// flipping may be random and are done anew for every sample.
public struct Augmentation: Sendable, Equatable {
  /// What happens to the size before the crop.
  public enum Resize: String, Sendable, CaseIterable {
    /// Nothing: the image must be at least as large as the crop.
    case none
    /// The shorter side is scaled to `resizedSide` (antialiased bicubic).
    case cover
  }

  /// Where the square is taken from.
  public enum Crop: String, Sendable, CaseIterable {
    /// From anywhere, each place equally likely.
    case random
    /// From the middle.
    case centre
  }

  /// Side of the square, in pixels.
  public var size: Int
  /// What happens to the size before the crop.
  public var resize: Resize
  /// What the shorter side is scaled to by `cover`: the crop's side, or more.
  public var resizedSide: Int
  /// Where the square is taken from.
  public var crop: Crop
  /// Whether every other image, by chance, is mirrored left to right.
  public var flips: Bool

  /// The longest side of an image that is resized, in its shorter sides.
  public static let longestRatio = 64

  /// A recipe.
  ///
  /// - Precondition: the size is at least 1, and the resized side at least the size.
  public init(
    size: Int, resize: Resize = .none, resizedSide: Int? = nil, crop: Crop = .random,
    flips: Bool = true
  ) {
    precondition(size > 0, "the crop is at least one pixel wide, not \(size)")
    self.size = size
    self.resize = resize
    self.resizedSide = resizedSide ?? size
    self.crop = crop
    self.flips = flips
    precondition(self.resizedSide >= size, "the crop fits into the resized image")
  }

  /// The same recipe without chance, as images are evaluated: from the middle, never mirrored.
  public var withoutChance: Augmentation {
    Augmentation(
      size: size, resize: resize, resizedSide: resizedSide, crop: .centre, flips: false)
  }

  /// How many numbers one sample is: size * size * 3.
  public var sampleCount: Int { size * size * 3 }

  /// The size that ``prepared(_:file:)`` gives an image of this size.
  ///
  /// - Throws: `tooSmall` if the crop does not fit, `tooThin` if scaling would be absurd.
  public func preparedSize(
    width: Int, height: Int, file: String
  ) throws(DatasetError) -> (width: Int, height: Int) {
    let shorter = min(width, height)
    switch resize {
    case .none:
      guard shorter >= size else {
        throw .tooSmall(file: file, width: width, height: height, needed: size, others: 0)
      }
      return (width, height)
    case .cover:
      guard max(width, height) <= shorter * Self.longestRatio else {
        throw .tooThin(file: file, width: width, height: height)
      }
      // Rounded to the nearest, in integers.
      let longer = (2 * max(width, height) * resizedSide + shorter) / (2 * shorter)
      return width < height ? (resizedSide, longer) : (longer, resizedSide)
    }
  }

  /// The image as it is kept: resized if the recipe says so.
  public func prepared(_ image: Image, file: String) throws(DatasetError) -> Image {
    let target = try preparedSize(width: image.width, height: image.height, file: file)
    return image.resized(to: target.width, target.height)
  }

  /// Crops, flips and writes one sample as numbers in [-1, 1]: byte b becomes b / 127.5 - 1.
  ///
  /// `target` has room for ``sampleCount`` numbers, rows from the top, RGB together.
  ///
  /// - Precondition: the image is at least as large as the crop, as a prepared one is.
  public func write(
    _ image: Image, random: inout Generator, to target: UnsafeMutablePointer<Float>
  ) {
    let place = place(width: image.width, height: image.height, random: &random)
    let size = size
    image.pixels.withUnsafeBufferPointer { pixels in
      for row in 0..<size {
        let start = ((place.y + row) * image.width + place.x) * 3
        let line = target + row * size * 3
        if place.isFlipped {
          for column in 0..<size {
            let source = start + (size - 1 - column) * 3
            for channel in 0..<3 {
              line[column * 3 + channel] = Float(pixels[source + channel]) / 127.5 - 1
            }
          }
        } else {
          for index in 0..<size * 3 { line[index] = Float(pixels[start + index]) / 127.5 - 1 }
        }
      }
    }
  }

  /// Crops and flips one sample, as an image.
  public func sample(_ image: Image, random: inout Generator) -> Image {
    let place = place(width: image.width, height: image.height, random: &random)
    let square = image.cropped(x: place.x, y: place.y, width: size, height: size)
    return place.isFlipped ? square.flippedHorizontally() : square
  }

  private func place(
    width: Int, height: Int, random: inout Generator
  ) -> (x: Int, y: Int, isFlipped: Bool) {
    precondition(width >= size && height >= size, "the image is at least as large as the crop")
    let isFlipped = flips && random.bernoulli(0.5)
    switch crop {
    case .centre: return ((width - size) / 2, (height - size) / 2, isFlipped)
    case .random:
      let x = random.integer(below: width - size + 1)
      let y = random.integer(below: height - size + 1)
      return (x, y, isFlipped)
    }
  }
}
