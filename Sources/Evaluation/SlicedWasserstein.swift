import Randomness
import Threads

/// Images of one size, 8-bit RGB.
public struct PixelSet: Sendable, Equatable {
  /// Pixels in a row, and rows.
  public let width, height: Int
  /// The bytes of each image, `width * height * 3`, red, green and blue of a pixel together.
  public let images: [[UInt8]]

  /// Images of a size.
  public init(width: Int, height: Int, images: [[UInt8]]) {
    precondition(width > 0 && height > 0, "an image has a pixel")
    precondition(
      images.allSatisfy { $0.count == width * height * 3 }, "three bytes for each pixel")
    (self.width, self.height, self.images) = (width, height, images)
  }

  /// So many images of independent, uniformly distributed bytes: what has no structure at all.
  public static func noise(width: Int, height: Int, count: Int, seed: UInt64) -> PixelSet {
    let random = Generator(seed: seed).split(named: "noise")
    return PixelSet(
      width: width, height: height,
      images: (0..<count).map { number in
        var own = random.split(UInt64(number))
        var word: UInt64 = 0
        return (0..<width * height * 3).map { index in
          if index & 7 == 0 { word = own.next() }
          defer { word >>= 8 }
          return UInt8(truncatingIfNeeded: word)
        }
      })
  }
}

/// The sliced Wasserstein distance of patches, at each scale of a Laplacian pyramid.
///
/// A level of the pyramid holds the details of one scale; the last one what is left. From each image
/// and level 128 patches of 7x7 pixels are taken, 147 numbers each; over all patches of a set each colour
/// is brought to mean 0 and variance 1. The patches of both sets are projected on random directions;
/// there the Wasserstein distance is the mean distance between numbers of the same rank, and of sets
/// of unlike size the mean distance of their quantile functions. The result is the mean over
/// 4 x 128 directions, times 1000, the unit of the paper: 0 for equal sets.
///
/// Because each set is normalized by itself, as in the paper, brightness, contrast and colour cast of
/// the set as a whole do not count. Places are a function of the seed and the image, so that the order of
/// images does not matter. Projections are in single precision, sums in double.
///
/// Karras, Aila, Laine and Lehtinen, "Progressive growing of GANs for improved quality, stability, and
/// variation", 2018, section 5; Rabin, Peyré, Delon and Bernot, "Wasserstein barycenter and its
/// application to texture mixing", 2011.
public struct SlicedWasserstein: Sendable {
  /// Pixels of a side of a patch.
  public static var patchSide: Int { 7 }
  /// Patches of an image, at each level.
  public static var patches: Int { 128 }
  /// Directions, 4 times 128.
  public static var directions: Int { 512 }

  /// The start of all random numbers.
  public let seed: UInt64
  /// Threads that share the work; the result does not depend on them.
  public let threads: Int

  /// A measurement.
  public init(seed: UInt64, threads: Int) {
    (self.seed, self.threads) = (seed, threads)
  }

  /// The distances at one level.
  public struct Level: Sendable, Equatable {
    /// Pixels of the level's images.
    public let width, height: Int
    /// The distance of each set, times 1000.
    public let distances: [Double]
  }

  /// The bytes of working memory for so many images in all sets, of which the largest has so many.
  public static func bytes(width: Int, height: Int, images: Int, largest: Int, threads: Int)
    -> Double
  {
    let level = Double(min(3 * width * height, patches * Patches.numbers))
    let rest = 3 * Double((width + 1) / 2) * Double((height + 1) / 2)
    return Double(images) * (4 * (level + 2 * rest) + 8 * Double(patches))
      + Double(threads) * Double(largest) * Double(patches) * 4 * Double(2 * Directions.group + 1)
  }

  /// The distances from a set to each of others, from the finest level on.
  ///
  /// - Parameters:
  ///   - reference: a set of one image at least.
  ///   - others: sets of the same size of images, of one image at least.
  ///   - beginning: called before each level.
  /// - Precondition: no side is below ``patchSide``.
  public func distances(
    from reference: PixelSet, to others: [PixelSet],
    beginning: (_ width: Int, _ height: Int) -> Void = { _, _ in }
  ) -> [Level] {
    let sets = [reference] + others
    precondition(
      sets.allSatisfy {
        $0.width == reference.width && $0.height == reference.height && !$0.images.isEmpty
      }, "sets of images of one size")
    precondition(min(reference.width, reference.height) >= Self.patchSide, "a patch fits in")
    let sizes = LaplacianPyramid.sizes(width: reference.width, height: reference.height)
    var pyramids = sets.map { GaussianLevel($0, threads: threads) }
    return sizes.enumerated().map { number, size in
      beginning(size.width, size.height)
      var patches: [Patches] = []
      for index in pyramids.indices {
        let taken = pyramids[index].takePatches(
          seed: seed, level: number, isLast: number == sizes.count - 1, threads: threads)
        patches.append(taken)
      }
      return Level(
        width: size.width, height: size.height,
        distances: distances(between: patches, level: number))
    }
  }

  /// The distances of the first set of patches to the others.
  private func distances(between sets: [Patches], level: Int) -> [Double] {
    let directions = Directions(
      dimension: Patches.numbers, count: Self.directions,
      random: Generator(seed: seed).split(named: "directions").split(UInt64(level)))
    let others = sets.count - 1
    let found = ResultBuffer(Self.directions * others, 0.0)
    concurrently(directions.groups, threads: threads) { group in
      let lanes = Directions.group
      let first = Projections(sets[0], directions, group)
      for other in 0..<others {
        let second = Projections(sets[other + 1], directions, group)
        for lane in 0..<lanes {
          found[(group * lanes + lane) * others + other] = Self.distance(
            sorted: first[lane], second[lane])
        }
      }
    }
    return (0..<others).map { other in
      let sum = (0..<Self.directions).reduce(0) { $0 + found[$1 * others + other] }
      return 1000 * sum / Double(Self.directions)
    }
  }

  /// The Wasserstein distance of two lists of numbers, of one number at least each.
  public static func distance(_ a: [Float], _ b: [Float]) -> Double {
    precondition(!a.isEmpty && !b.isEmpty, "a list has a number")
    return a.sorted().withUnsafeBufferPointer { a in
      b.sorted().withUnsafeBufferPointer { b in distance(sorted: a, b) }
    }
  }

  /// The distance of rising numbers: the integral of `|F^-1(q) - G^-1(q)|` over all quantiles q.
  static func distance(
    sorted a: UnsafeBufferPointer<Float>, _ b: UnsafeBufferPointer<Float>
  ) -> Double {
    var sum = 0.0
    if a.count == b.count {
      for index in a.indices { sum += (Double(a[index]) - Double(b[index])).magnitude }
      return sum / Double(a.count)
    }
    // In units of 1 / (n m), steps of both quantile functions end at whole numbers.
    var (i, j, place) = (0, 0, 0)
    while i < a.count, j < b.count {
      let (endOfA, endOfB) = ((i + 1) * b.count, (j + 1) * a.count)
      let end = min(endOfA, endOfB)
      sum += Double(end - place) * (Double(a[i]) - Double(b[j])).magnitude
      place = end
      if end == endOfA { i += 1 }
      if end == endOfB { j += 1 }
    }
    return sum / (Double(a.count) * Double(b.count))
  }
}

// MARK: - Levels

/// The Gaussian images of a set at one level of the pyramid, of which patches of the Laplacian level are
/// taken on the way to the next.
private struct GaussianLevel {
  private var width: Int
  private var height: Int
  private let set: PixelSet
  /// Red, green and blue together, one image after another; nil at the first level.
  private var values: ResultBuffer<Float>?
  /// A hash of each image: where its patches lie.
  private let hashes: [UInt64]

  init(_ set: PixelSet, threads: Int) {
    (self.set, width, height) = (set, set.width, set.height)
    let hashes = ResultBuffer<UInt64>(set.images.count, 0)
    concurrently(set.images.count, threads: threads) { hashes[$0] = Self.hash(set.images[$0]) }
    self.hashes = hashes.all
  }

  /// FNV-1a, 64 bit.
  private static func hash(_ bytes: [UInt8]) -> UInt64 {
    bytes.withUnsafeBufferPointer { bytes in
      var hash: UInt64 = 0xCBF2_9CE4_8422_2325
      for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
      return hash
    }
  }

  /// The patches of this level; afterwards this is the next one.
  ///
  /// - Parameter isLast: whether what is left is the level, instead of the details.
  mutating func takePatches(seed: UInt64, level: Int, isLast: Bool, threads: Int) -> Patches {
    let (width, height, count) = (width, height, set.images.count)
    let (half, low) = ((width + 1) / 2, (height + 1) / 2)
    let next = isLast ? nil : ResultBuffer<Float>(count * half * low * 3, 0)
    let patches = Patches(images: count, width: width, height: height)
    let random = Generator(seed: seed).split(named: "patches").split(UInt64(level))
    let (former, set, hashes) = (values, set, hashes)
    concurrently(count, threads: threads) { image in
      let own: [Float]
      if let former {
        let size = width * height * 3
        own = Array(former.places[image * size..<(image + 1) * size])
      } else {
        own = set.images[image].map(Float.init)
      }
      var details = own
      if let next {
        let reduced = LaplacianPyramid.reduced(own, width: width, height: height)
        let size = half * low * 3
        for index in 0..<size { next[image * size + index] = reduced[index] }
        let expanded = LaplacianPyramid.expanded(reduced, width: width, height: height)
        for index in details.indices { details[index] -= expanded[index] }
      }
      var places = random.split(hashes[image])
      patches.take(details, image: image, random: &places)
    }
    patches.normalize()
    values = next
    (self.width, self.height) = (half, low)
    return patches
  }
}

/// Patches of all images of a set at one level, and what brings each colour to mean 0 and variance 1.
package final class Patches: @unchecked Sendable {
  // Unchecked: threads write the parts of different images, and nobody reads before all are done.

  /// Numbers of a patch.
  static var numbers: Int { SlicedWasserstein.patchSide * SlicedWasserstein.patchSide * 3 }

  /// Patches of all images.
  let count: Int
  private let width: Int
  private let height: Int
  /// Whole images where those are smaller than their patches, else the patches.
  private let keepsImages: Bool
  private let values: ResultBuffer<Float>
  private let starts: ResultBuffer<Int>
  private let sums: ResultBuffer<(SIMD4<Double>, SIMD4<Double>)>
  /// The means of a row of a patch, three colours together.
  private let mean: ResultBuffer<Float>
  /// 1 over the standard deviations likewise; 0 where nothing varies.
  private let scale: ResultBuffer<Float>

  private static var row: Int { SlicedWasserstein.patchSide * 3 }

  /// Room for the patches of so many images of a size.
  package init(images: Int, width: Int, height: Int) {
    (self.width, self.height) = (width, height)
    count = images * SlicedWasserstein.patches
    keepsImages = width * height * 3 <= SlicedWasserstein.patches * Self.numbers
    values = ResultBuffer(keepsImages ? images * width * height * 3 : count * Self.numbers, 0)
    starts = ResultBuffer(count, 0)
    sums = ResultBuffer(images, (.zero, .zero))
    mean = ResultBuffer(Self.row, 0)
    scale = ResultBuffer(Self.row, 1)
  }

  /// Takes an image's patches at random places.
  package func take(_ image: [Float], image number: Int, random: inout Generator) {
    let side = SlicedWasserstein.patchSide
    var (sum, squares) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
    if keepsImages {
      for (index, value) in image.enumerated() { values[number * image.count + index] = value }
    }
    for patch in 0..<SlicedWasserstein.patches {
      let x = random.integer(below: width - side + 1)
      let y = random.integer(below: height - side + 1)
      let place = number * SlicedWasserstein.patches + patch
      starts[place] =
        keepsImages ? number * image.count + (y * width + x) * 3 : place * Self.numbers
      for row in 0..<side {
        let first = ((y + row) * width + x) * 3
        for index in 0..<side {
          let pixel = SIMD4(
            Double(image[first + 3 * index]), Double(image[first + 3 * index + 1]),
            Double(image[first + 3 * index + 2]), 0)
          sum += pixel
          squares += pixel * pixel
        }
        guard !keepsImages else { continue }
        for index in 0..<Self.row {
          values[place * Self.numbers + row * Self.row + index] = image[first + index]
        }
      }
    }
    sums[number] = (sum, squares)
  }

  /// Finds what the set is normalized by, once all images are there.
  func normalize() {
    var (sum, squares) = (SIMD4<Double>.zero, SIMD4<Double>.zero)
    for (own, ownSquares) in sums.places {
      sum += own
      squares += ownSquares
    }
    let pixels = Double(count * SlicedWasserstein.patchSide * SlicedWasserstein.patchSide)
    for index in 0..<Self.row {
      let mean = sum[index % 3] / pixels
      let variance = squares[index % 3] / pixels - mean * mean
      self.mean[index] = Float(mean)
      // Where nothing varies, what is found is rounding.
      scale[index] = variance > 1e-10 * (mean * mean + 1) ? Float(1 / variance.squareRoot()) : 0
    }
  }

  /// Writes the normalized numbers of a patch.
  @inline(__always)
  package func write(_ patch: Int, to target: UnsafeMutablePointer<Float>) {
    let pitch = keepsImages ? width * 3 : Self.row
    let source = values.places.baseAddress! + starts[patch]
    let (mean, scale) = (mean.places.baseAddress!, scale.places.baseAddress!)
    for row in 0..<SlicedWasserstein.patchSide {
      let (from, to) = (source + row * pitch, target + row * Self.row)
      for index in 0..<Self.row { to[index] = (from[index] - mean[index]) * scale[index] }
    }
  }
}

// MARK: - Projections

/// Random directions, in groups that are projected on at once.
struct Directions: Sendable {
  /// Directions of a group.
  static var group: Int { 16 }

  let dimension: Int
  let groups: Int
  /// Of each group, for each number of a vector, its weights in all directions.
  let weights: [SIMD16<Float>]

  /// So many directions, a multiple of ``group``, uniformly distributed.
  init(dimension: Int, count: Int, random: Generator) {
    precondition(count % Self.group == 0, "whole groups")
    (self.dimension, groups) = (dimension, count / Self.group)
    var weights = [SIMD16<Float>](repeating: .zero, count: groups * dimension)
    var random = random
    for direction in 0..<count {
      let numbers = (0..<dimension).map { _ in Double(random.normal()) }
      let length = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for (index, number) in numbers.enumerated() {
        weights[direction / Self.group * dimension + index][direction % Self.group] =
          Float(number / length)
      }
    }
    self.weights = weights
  }
}

/// The patches of a set projected on the directions of a group, in rising order for each.
struct Projections: ~Copyable {
  private let numbers: UnsafeMutableBufferPointer<Float>
  private let count: Int

  /// Patches that are multiplied at once.
  private static var tile: Int { 8 }

  init(_ patches: Patches, _ directions: Directions, _ group: Int) {
    count = patches.count
    numbers = .allocate(capacity: Directions.group * count)
    let (count, numbers) = (count, numbers.baseAddress!)
    let dimension = directions.dimension
    let rows = UnsafeMutablePointer<Float>.allocate(capacity: Self.tile * dimension)
    defer { rows.deallocate() }
    directions.weights.withUnsafeBufferPointer { weights in
      let weights = weights.baseAddress! + group * dimension
      for start in stride(from: 0, to: count, by: Self.tile) {
        let size = min(Self.tile, count - start)
        for row in 0..<Self.tile {
          // The last tile repeats its last patch.
          patches.write(start + min(row, size - 1), to: rows + row * dimension)
        }
        var (s0, s1) = (SIMD16<Float>.zero, SIMD16<Float>.zero)
        var (s2, s3, s4, s5, s6, s7) = (s0, s0, s0, s0, s0, s0)
        for index in 0..<dimension {
          let weight = weights[index]
          s0 += rows[index] * weight
          s1 += rows[dimension + index] * weight
          s2 += rows[2 * dimension + index] * weight
          s3 += rows[3 * dimension + index] * weight
          s4 += rows[4 * dimension + index] * weight
          s5 += rows[5 * dimension + index] * weight
          s6 += rows[6 * dimension + index] * weight
          s7 += rows[7 * dimension + index] * weight
        }
        let sums = (s0, s1, s2, s3, s4, s5, s6, s7)
        withUnsafeBytes(of: sums) { bytes in
          let sums = bytes.assumingMemoryBound(to: Float.self)
          for lane in 0..<Directions.group {
            for row in 0..<size {
              numbers[lane * count + start + row] = sums[row * Directions.group + lane]
            }
          }
        }
      }
    }
    let scratch = UnsafeMutablePointer<UInt32>.allocate(capacity: count)
    defer { scratch.deallocate() }
    for lane in 0..<Directions.group { RadixSort.sort(numbers + lane * count, count, scratch) }
  }

  deinit { numbers.deallocate() }

  /// The projections on a direction of the group.
  subscript(lane: Int) -> UnsafeBufferPointer<Float> {
    UnsafeBufferPointer(rebasing: numbers[lane * count..<(lane + 1) * count])
  }
}

/// Sorting of many floats: three passes over eleven bits each.
package enum RadixSort {
  private static var buckets: Int { 1 << 11 }

  /// Puts numbers, none of them NaN, in rising order.
  package static func sort(
    _ numbers: UnsafeMutablePointer<Float>, _ count: Int, _ scratch: UnsafeMutablePointer<UInt32>
  ) {
    numbers.withMemoryRebound(to: UInt32.self, capacity: count) { keys in
      withUnsafeTemporaryAllocation(of: Int.self, capacity: 3 * buckets) { places in
        places.initialize(repeating: 0)
        for index in 0..<count {
          // Positive numbers above negative ones, and those in the order of their size.
          let bits = keys[index]
          let key = bits ^ (bits >> 31 == 0 ? 0x8000_0000 : 0xFFFF_FFFF)
          keys[index] = key
          places[Int(key & 0x7FF)] += 1
          places[buckets + Int(key >> 11 & 0x7FF)] += 1
          places[2 * buckets + Int(key >> 22)] += 1
        }
        for pass in 0..<3 {
          var next = 0
          for bucket in pass * buckets..<(pass + 1) * buckets {
            (places[bucket], next) = (next, next + places[bucket])
          }
        }
        for index in 0..<count {
          let key = keys[index]
          let bucket = Int(key & 0x7FF)
          scratch[places[bucket]] = key
          places[bucket] += 1
        }
        for index in 0..<count {
          let key = scratch[index]
          let bucket = buckets + Int(key >> 11 & 0x7FF)
          keys[places[bucket]] = key
          places[bucket] += 1
        }
        for index in 0..<count {
          let key = keys[index]
          let bucket = 2 * buckets + Int(key >> 22)
          scratch[places[bucket]] = key
          places[bucket] += 1
        }
        for index in 0..<count {
          let key = scratch[index]
          keys[index] = key ^ (key >> 31 == 0 ? 0xFFFF_FFFF : 0x8000_0000)
        }
      }
    }
  }
}

// MARK: - Pyramid

/// The Laplacian pyramid of Burt and Adelson: an image as details of falling size, and what is left.
///
/// A level is reduced by the weights 1, 4, 6, 4, 1 over 16 in both directions and every other pixel;
/// beyond the edge the image is mirrored at its last pixel. The details of a level are what the
/// reduced image, expanded by the same weights, lacks.
///
/// Burt and Adelson, "The Laplacian pyramid as a compact image code", 1983.
public enum LaplacianPyramid {
  /// No side becomes smaller than this, in pixels.
  public static let smallest = 16

  /// The sizes of the levels, the image's own first.
  public static func sizes(width: Int, height: Int) -> [(width: Int, height: Int)] {
    var sizes = [(width: width, height: height)]
    while true {
      let (half, low) = ((sizes.last!.width + 1) / 2, (sizes.last!.height + 1) / 2)
      guard min(half, low) >= smallest else { return sizes }
      sizes.append((half, low))
    }
  }

  /// An image of interleaved RGB at half the size, rounded up.
  package static func reduced(_ image: [Float], width: Int, height: Int) -> [Float] {
    let half = (width + 1) / 2
    let narrow = along(image, lines: height, length: width, step: 3, result: half, reduce)
    return along(narrow, lines: 1, length: height, step: half * 3, result: (height + 1) / 2, reduce)
  }

  /// An image of half the size, rounded up, brought to a size.
  package static func expanded(_ image: [Float], width: Int, height: Int) -> [Float] {
    let (half, low) = ((width + 1) / 2, (height + 1) / 2)
    let wide = along(image, lines: low, length: half, step: 3, result: width, expand)
    return along(wide, lines: 1, length: low, step: width * 3, result: height, expand)
  }

  /// One place of a result along one axis: which places go into it, with which weights.
  private typealias Rule = (_ place: Int, _ length: Int, _ result: Int) -> [(Int, Float)]

  /// Applies a rule along an axis: `lines` times `length` steps of so many numbers become `result`.
  private static func along(
    _ values: [Float], lines: Int, length: Int, step: Int, result: Int, _ rule: Rule
  ) -> [Float] {
    let rules = (0..<result).map { rule($0, length, result) }
    return [Float](unsafeUninitializedCapacity: lines * result * step) { target, initialized in
      values.withUnsafeBufferPointer { values in
        for line in 0..<lines {
          for (place, terms) in rules.enumerated() {
            let to = target.baseAddress! + (line * result + place) * step
            to.initialize(repeating: 0, count: step)
            for (source, weight) in terms {
              let from = values.baseAddress! + (line * length + source) * step
              for index in 0..<step { to[index] += weight * from[index] }
            }
          }
        }
      }
      initialized = lines * result * step
    }
  }

  /// A place of a list that is mirrored at both of its ends.
  private static func mirrored(_ place: Int, _ length: Int) -> Int {
    guard length > 1 else { return 0 }
    let period = 2 * (length - 1)
    let rest = (place % period + period) % period
    return min(rest, period - rest)
  }

  private static let weights: [Float] = [1.0 / 16, 4.0 / 16, 6.0 / 16, 4.0 / 16, 1.0 / 16]

  private static func reduce(_ place: Int, _ length: Int, _ result: Int) -> [(Int, Float)] {
    weights.enumerated().map { (mirrored(2 * place + $0 - 2, length), $1) }
  }

  /// Zeros stand between the places of the smaller image, and weights count twice.
  private static func expand(_ place: Int, _ length: Int, _ result: Int) -> [(Int, Float)] {
    weights.enumerated().compactMap { offset, weight in
      let source = mirrored(place + offset - 2, result)
      return source % 2 == 0 ? (source / 2, 2 * weight) : nil
    }
  }
}
