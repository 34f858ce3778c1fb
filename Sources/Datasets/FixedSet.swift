import Imaging
import Randomness

/// The images that a run is measured on: always the same ones, from their middle, never mirrored.
public struct FixedSet: Sendable {
  /// The images' paths within their folder.
  public let files: [String]
  /// The squares.
  public let images: [Image]
  /// Side of the squares, in pixels.
  public let size: Int

  /// Takes `count` images of a set, or all if there are fewer.
  ///
  /// They are spread evenly over the set, from its first image on: in sorted order the first few
  /// alone would all be of one class where each class has its folder. Bad images are replaced as
  /// ``ImageSet`` says.
  ///
  /// - Parameter shouldStop: asked before each image.
  /// - Throws: `stopped` if that returns true.
  public init(
    _ set: ImageSet, count: Int, shouldStop: () -> Bool = { false }
  ) throws(DatasetError) {
    precondition(count >= 0, "a set has no negative count")
    let recipe = set.store.augmentation.withoutChance
    let taken = min(count, set.count)
    var files: [String] = []
    var images: [Image] = []
    // No chance is left in the recipe, so nothing is drawn from this.
    var unused = Generator(seed: 0)
    for position in 0..<taken {
      if shouldStop() { throw .stopped }
      let index = position * set.count / taken
      files.append(set.file(index))
      images.append(recipe.sample(try set.image(index), random: &unused))
    }
    self.files = files
    self.images = images
    size = recipe.size
  }

  /// How many images there are.
  public var count: Int { images.count }

  /// Writes some of the images as numbers in [-1, 1], [n, size, size, 3].
  ///
  /// `target` has room for them.
  public func write(_ range: Range<Int>, to target: UnsafeMutablePointer<Float>) {
    for (position, index) in range.enumerated() {
      images[index].write(normalizedTo: target + position * size * size * 3)
    }
  }

  /// All images as numbers in [-1, 1], [count, size, size, 3].
  public var numbers: [Float] {
    let total = count * size * size * 3
    return [Float](unsafeUninitializedCapacity: total) { buffer, initialized in
      if let target = buffer.baseAddress { write(0..<count, to: target) }
      initialized = total
    }
  }
}
