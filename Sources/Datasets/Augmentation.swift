import Foundation
import Imaging
import Randomness

/// How an image of any size becomes a square of numbers: resize, crop, flip.
///
/// Resizing is the same every time and is done once, before an image is cached; cropping and
/// flipping may be random and are drawn for every sample.
public struct Augmentation: Sendable, Equatable {
  /// How images are scaled before the crop.
  public enum Resize: String, Sendable, CaseIterable {
    /// Nothing: the image must be at least as large as the crop.
    case none
    /// The shorter side is scaled to `resizedSide`, as the recipe says.
    case cover
  }

  /// Where the square is taken from.
  public enum Crop: String, Sendable, CaseIterable {
    /// From anywhere, each place equally likely.
    case random
    /// From the middle.
    case centre
    /// A square of any size and place, scaled to the crop (antialiased bicubic): its side is drawn
    /// between `smallestCrop` of the shorter side and all of it, each doubling equally likely.
    case resized
  }

  /// Side of the square, in pixels.
  public var size: Int
  /// How images are scaled before the crop.
  public var resize: Resize
  /// Length of the shorter side after `cover`: the crop's side or more.
  public var resizedSide: Int
  /// Where the square is taken from.
  public var crop: Crop
  /// Whether images are flipped horizontally with probability 1/2.
  public var flips: Bool
  /// The least side of a `resized` crop, as a fraction of the image's shorter side.
  public var smallestCrop: Double
  /// The sides of training crops as multiples of `size`: see ``SizeSchedule``.
  public var sizeMultiples: [Int]
  /// The rules by which files are decoded and scaled, and where the middle is.
  public var recipe: ImageRecipe

  /// The longest side of an image that is resized, in its shorter sides.
  public static let longestRatio = 64

  /// A recipe.
  ///
  /// - Precondition: the size is at least 1, and the resized side at least the size.
  public init(
    size: Int, resize: Resize = .none, resizedSide: Int? = nil, crop: Crop = .random,
    flips: Bool = true, smallestCrop: Double = 0.5, sizeMultiples: [Int] = [1],
    recipe: ImageRecipe = .tessera
  ) {
    precondition(size > 0, "the crop is at least one pixel wide, not \(size)")
    precondition(smallestCrop > 0 && smallestCrop <= 1, "a fraction of a side")
    self.size = size
    self.resize = resize
    self.resizedSide = resizedSide ?? size
    self.crop = crop
    self.flips = flips
    self.smallestCrop = smallestCrop
    self.sizeMultiples = sizeMultiples
    self.recipe = recipe
    precondition(self.resizedSide >= size, "the crop fits into the resized image")
  }

  /// The same recipe without chance, as images are evaluated: from the middle, never mirrored.
  public var withoutChance: Augmentation {
    Augmentation(
      size: size, resize: resize, resizedSide: resizedSide, crop: .centre, flips: false,
      recipe: recipe)
  }

  /// The same by other rules, which scale every image; those that know one length only scale to `size`.
  public func following(_ recipe: ImageRecipe) -> Augmentation {
    guard recipe != self.recipe else { return self }
    var other = self
    other.recipe = recipe
    if recipe.name != .tessera {
      other.resize = .cover
      if recipe.name != .torchvision { other.resizedSide = size }
    }
    return other
  }

  /// The least shorter side of an image that all crops fit into.
  var neededSide: Int {
    crop == .resized ? size : size * (sizeMultiples.max() ?? 1)
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
      guard shorter >= neededSide else {
        throw .tooSmall(file: file, width: width, height: height, needed: neededSide, others: 0)
      }
      return (width, height)
    case .cover:
      guard recipe.isStretching || max(width, height) <= shorter * Self.longestRatio else {
        throw .tooThin(file: file, width: width, height: height)
      }
      return recipe.scaledSize(width: width, height: height, to: resizedSide)
    }
  }

  /// The image as it is kept: resized if the recipe says so.
  public func prepared(_ image: Image, file: String) throws(DatasetError) -> Image {
    _ = try preparedSize(width: image.width, height: image.height, file: file)
    return resize == .none ? image : recipe.scaled(image, to: resizedSide)
  }

  /// The square that an image is evaluated with: prepared, then cropped in the middle.
  ///
  /// - Throws: those of ``preparedSize(width:height:file:)``.
  public func middleSquare(of image: Image, file: String) throws(DatasetError) -> Image {
    let image = try prepared(image, file: file)
    let (x, y) = (recipe.cropOffset(image.width - size), recipe.cropOffset(image.height - size))
    return image.cropped(x: x, y: y, width: size, height: size)
  }

  /// Crops, flips and writes one sample as numbers in [-1, 1]: byte b becomes b / 127.5 - 1.
  ///
  /// `target` has room for the sample's numbers, rows from the top, RGB together.
  ///
  /// - Parameter multiple: how many times `size` the sample's side is.
  /// - Precondition: the image is at least as large as the crop, as a prepared one is.
  public func write(
    _ image: Image, multiple: Int = 1, random: inout Generator,
    to target: UnsafeMutablePointer<Float>
  ) {
    let side = size * multiple
    let place = place(of: image, side: side, random: &random)
    if place.side == side {
      write(image, place, to: target)
    } else {
      let square = image.cropped(x: place.x, y: place.y, width: place.side, height: place.side)
        .resized(to: side, side)
      write(square, Place(x: 0, y: 0, side: side, isFlipped: place.isFlipped), to: target)
    }
  }

  private func write(_ image: Image, _ place: Place, to target: UnsafeMutablePointer<Float>) {
    let size = place.side
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
    let place = place(of: image, side: size, random: &random)
    let square = image.cropped(x: place.x, y: place.y, width: place.side, height: place.side)
      .resized(to: size, size)
    return place.isFlipped ? square.flippedHorizontally() : square
  }

  /// The square of an image that becomes a sample.
  private struct Place {
    let x: Int
    let y: Int
    let side: Int
    let isFlipped: Bool
  }

  private func place(of image: Image, side: Int, random: inout Generator) -> Place {
    let isFlipped = flips && random.bernoulli(0.5)
    let side = crop == .resized ? drawnSide(of: image, &random) : side
    let (width, height) = (image.width - side, image.height - side)
    precondition(width >= 0 && height >= 0, "the image is at least as large as the crop")
    if crop == .centre {
      return Place(
        x: recipe.cropOffset(width), y: recipe.cropOffset(height), side: side, isFlipped: isFlipped)
    }
    let x = random.integer(below: width + 1)
    let y = random.integer(below: height + 1)
    return Place(x: x, y: y, side: side, isFlipped: isFlipped)
  }

  /// The side of a square, each doubling equally likely.
  private func drawnSide(of image: Image, _ random: inout Generator) -> Int {
    let shorter = Double(min(image.width, image.height))
    let side = shorter * pow(smallestCrop, random.uniformDouble())
    return max(1, min(Int(shorter), Int(side.rounded())))
  }
}
