import Evaluation
import Foundation
import Randomness
import Testing

@Suite("Sliced Wasserstein distance")
struct SlicedWassersteinTests {
  /// Images of soft waves and noise; `shade` is added to all bytes.
  private static func images(
    _ count: Int, width: Int = 16, height: Int = 16, seed: UInt64 = 1, shade: Int = 0,
    noise: Double = 20
  ) -> PixelSet {
    var random = Generator(seed: seed)
    let images = (0..<count).map { _ -> [UInt8] in
      let (a, b) = (random.uniformDouble() * 0.8, random.uniformDouble() * 0.8)
      return (0..<width * height * 3).map { index in
        let (x, y) = (Double(index / 3 % width), Double(index / 3 / width))
        let wave = 60 * sin(a * x + b * y + Double(index % 3))
        let value = 110 + wave + noise * (random.uniformDouble() - 0.5) + Double(shade)
        return UInt8(min(max(value, 0), 255))
      }
    }
    return PixelSet(width: width, height: height, images: images)
  }

  private static func distances(
    _ a: PixelSet, _ others: PixelSet..., seed: UInt64 = 0, threads: Int = 2
  ) -> [SlicedWasserstein.Level] {
    SlicedWasserstein(seed: seed, threads: threads).distances(from: a, to: others)
  }

  // MARK: One dimension

  @Test("one dimension: a shift is its length, whatever the order")
  func shifted() {
    var random = Generator(seed: 3)
    let numbers = (0..<500).map { _ in random.normal() }
    #expect(SlicedWasserstein.distance(numbers, numbers.reversed()) == 0)
    let shifted = numbers.map { $0 + 2.5 }
    #expect(abs(SlicedWasserstein.distance(numbers, shifted) - 2.5) < 1e-6)
    #expect(SlicedWasserstein.distance([0], [3]) == 3)
  }

  @Test("one dimension, unlike sizes: quantile functions, by hand and by repetition")
  func quantiles() {
    // F^-1 is 0 and 1 on halves, G^-1 is 0, 0, 3 on thirds: |difference| is 1 on (1/2, 2/3), 2 on the rest.
    #expect(abs(SlicedWasserstein.distance([1, 0], [0, 3, 0]) - (1.0 / 6 + 2.0 / 3)) < 1e-12)
    var random = Generator(seed: 5)
    for (n, m) in [(1, 7), (4, 6), (9, 8), (13, 5)] {
      let a = (0..<n).map { _ in random.normal() }
      let b = (0..<m).map { _ in random.normal() }
      // Each number as often as makes both lists equally long has the same quantile function.
      let (longA, longB) = (
        a.flatMap { Array(repeating: $0, count: m) }.sorted(),
        b.flatMap { Array(repeating: $0, count: n) }.sorted()
      )
      let expected = zip(longA, longB).reduce(0) { $0 + abs(Double($1.0) - Double($1.1)) }
      #expect(abs(SlicedWasserstein.distance(a, b) - expected / Double(n * m)) < 1e-9)
      #expect(
        abs(SlicedWasserstein.distance(a, b) - SlicedWasserstein.distance(b, a)) < 1e-12)
    }
  }

  @Test("sorting by digits is sorting", arguments: [0, 1, 2, 1000, 5000])
  func sorting(count: Int) {
    var random = Generator(seed: UInt64(count))
    var numbers = (0..<count).map { index -> Float in
      switch index % 6 {
      case 0: random.normal() * 1e3
      case 1: random.normal() * 1e-3
      case 2: 0
      case 3: -0.5
      case 4: -Float.infinity
      default: 3e38
      }
    }
    let expected = numbers.sorted()
    var scratch = [UInt32](repeating: 0, count: count + 1)
    numbers.withUnsafeMutableBufferPointer { numbers in
      if let first = numbers.baseAddress { RadixSort.sort(first, count, &scratch) }
    }
    #expect(numbers == expected)
  }

  // MARK: Pyramid

  @Test("sizes of levels: halves, rounded up, down to 16 pixels")
  func sizes() {
    func sides(_ width: Int, _ height: Int) -> [[Int]] {
      LaplacianPyramid.sizes(width: width, height: height).map { [$0.width, $0.height] }
    }
    #expect(sides(128, 128) == [[128, 128], [64, 64], [32, 32], [16, 16]])
    #expect(sides(32, 64) == [[32, 64], [16, 32]])
    #expect(sides(31, 33) == [[31, 33], [16, 17]] && sides(29, 64) == [[29, 64]])
    #expect(sides(8, 8) == [[8, 8]])
  }

  /// A level by its definition: a 5x5 window over an image that is mirrored at its last pixels.
  private static func filtered(
    _ image: [Double], _ width: Int, _ height: Int, gain: Double
  ) -> [Double] {
    let weights = [1.0, 4, 6, 4, 1].map { $0 / 16 }
    func mirrored(_ place: Int, _ length: Int) -> Int {
      var place = place
      while place < 0 || place >= length {
        place = place < 0 ? -place : 2 * (length - 1) - place
      }
      return place
    }
    return (0..<width * height * 3).map { index in
      let (x, y, colour) = (index / 3 % width, index / 3 / width, index % 3)
      var sum = 0.0
      for (i, a) in weights.enumerated() {
        for (j, b) in weights.enumerated() {
          let (row, column) = (mirrored(y + i - 2, height), mirrored(x + j - 2, width))
          sum += gain * a * b * image[(row * width + column) * 3 + colour]
        }
      }
      return sum
    }
  }

  @Test(
    "reduced and expanded images have the values of the definition",
    arguments: [
      [16, 16], [9, 12], [7, 7],
    ])
  func pyramid(size: [Int]) {
    let (width, height) = (size[0], size[1])
    let image = Self.images(1, width: width, height: height).images[0]
    let (half, low) = ((width + 1) / 2, (height + 1) / 2)
    let whole = Self.filtered(image.map(Double.init), width, height, gain: 1)
    let expected = (0..<half * low * 3).map { index in
      whole[(2 * (index / 3 / half) * width + 2 * (index / 3 % half)) * 3 + index % 3]
    }
    let reduced = LaplacianPyramid.reduced(image.map(Float.init), width: width, height: height)
    #expect(reduced.count == expected.count)
    for (a, b) in zip(reduced, expected) { #expect(abs(Double(a) - b) < 1e-3) }

    var sparse = [Double](repeating: 0, count: width * height * 3)
    for index in expected.indices {
      let (x, y) = (2 * (index / 3 % half), 2 * (index / 3 / half))
      sparse[(y * width + x) * 3 + index % 3] = expected[index]
    }
    let wide = Self.filtered(sparse, width, height, gain: 4)
    let expanded = LaplacianPyramid.expanded(reduced, width: width, height: height)
    for (a, b) in zip(expanded, wide) { #expect(abs(Double(a) - b) < 1e-3) }
  }

  @Test("an even colour has no details and stays what it is")
  func even() {
    let image = [Float](repeating: 77, count: 20 * 18 * 3)
    let reduced = LaplacianPyramid.reduced(image, width: 20, height: 18)
    #expect(reduced == [Float](repeating: 77, count: 10 * 9 * 3))
    #expect(LaplacianPyramid.expanded(reduced, width: 20, height: 18) == image)
  }

  // MARK: Sets

  /// The distance of two sets, step by step in double precision, with the same patches and directions.
  private static func twin(_ a: PixelSet, _ b: PixelSet, seed: UInt64) -> Double {
    func patches(_ set: PixelSet) -> [[Double]] {
      let random = Generator(seed: seed).split(named: "patches").split(0)
      var patches: [[Double]] = []
      for image in set.images {
        var hash: UInt64 = 0xCBF2_9CE4_8422_2325
        for byte in image { hash = (hash ^ UInt64(byte)) &* 0x0000_0100_0000_01B3 }
        var places = random.split(hash)
        for _ in 0..<128 {
          let x = places.integer(below: set.width - 6)
          let y = places.integer(below: set.height - 6)
          patches.append(
            (0..<147).map { index in
              let (row, column) = (y + index / 21, x + index % 21 / 3)
              return Double(image[(row * set.width + column) * 3 + index % 3])
            })
        }
      }
      for colour in 0..<3 {
        let all = patches.flatMap { patch in
          stride(from: colour, to: 147, by: 3).map { patch[$0] }
        }
        let mean = all.reduce(0, +) / Double(all.count)
        let variance = all.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(all.count)
        for patch in patches.indices {
          for index in stride(from: colour, to: 147, by: 3) {
            patches[patch][index] = (patches[patch][index] - mean) / variance.squareRoot()
          }
        }
      }
      return patches
    }
    let (one, other) = (patches(a), patches(b))
    var random = Generator(seed: seed).split(named: "directions").split(0)
    var sum = 0.0
    for _ in 0..<512 {
      let numbers = (0..<147).map { _ in Double(random.normal()) }
      let length = numbers.reduce(0) { $0 + $1 * $1 }.squareRoot()
      func projected(_ patches: [[Double]]) -> [Double] {
        patches.map { zip($0, numbers).reduce(0) { $0 + $1.0 * $1.1 } / length }.sorted()
      }
      let (p, q) = (projected(one), projected(other))
      sum += zip(p, q).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(p.count)
    }
    return 1000 * sum / 512
  }

  @Test("one level, the value of the definition")
  func definition() {
    let (a, b) = (Self.images(3), Self.images(3, seed: 2, noise: 90))
    let found = Self.distances(a, b, seed: 9)
    let expected = Self.twin(a, b, seed: 9)
    #expect(found.count == 1 && expected > 10)
    #expect(abs(found[0].distances[0] - expected) < 1e-4 * expected, "\(found), \(expected)")
  }

  @Test("equal sets have distance 0, in any order; large levels too, of which patches are kept")
  func equal() {
    let set = Self.images(6, width: 32, height: 32)
    let turned = PixelSet(width: 32, height: 32, images: set.images.reversed())
    let levels = Self.distances(set, set, turned)
    #expect(levels.map(\.width) == [32, 16])
    for level in levels {
      #expect(level.distances[0] == 0 && level.distances[1] < 1e-9, "\(level)")
    }
    let large = Self.images(2, width: 90, height: 81)
    let other = Self.images(2, width: 90, height: 81, seed: 2)
    let found = Self.distances(large, large, other)
    #expect(found.map(\.width) == [90, 45, 23] && found.map(\.height) == [81, 41, 21])
    for level in found { #expect(level.distances[0] == 0 && level.distances[1] > 1, "\(level)") }
  }

  @Test("whole images and patches that are kept are the same patches")
  func keptPatches() {
    // 79x79 pixels are kept whole, 80x80 are not.
    for side in [79, 80] {
      let image = Self.images(1, width: side, height: side).images[0].map(Float.init)
      let patches = Patches(images: 1, width: side, height: side)
      var random = Generator(seed: 4)
      var places = random
      patches.take(image, image: 0, random: &random)
      var found = [Float](repeating: 0, count: 147)
      for patch in 0..<3 {
        let x = places.integer(below: side - 6)
        let y = places.integer(below: side - 6)
        found.withUnsafeMutableBufferPointer { patches.write(patch, to: $0.baseAddress!) }
        let expected = (0..<147).map { index in
          image[((y + index / 21) * side + x + index % 21 / 3) * 3 + index % 3]
        }
        #expect(found == expected, "\(side)")
      }
    }
  }

  @Test(
    "the order of the sets does not matter, nor the order of images, nor threads; the seed does")
  func symmetry() {
    let (a, b) = (Self.images(5), Self.images(7, seed: 2, noise: 80))
    let there = Self.distances(a, b)[0].distances[0]
    let back = Self.distances(b, a)[0].distances[0]
    #expect(abs(there - back) < 1e-9 * there && there > 1)
    let turned = PixelSet(width: 16, height: 16, images: b.images.reversed())
    #expect(abs(Self.distances(a, turned)[0].distances[0] - there) < 1e-6 * there)
    #expect(Self.distances(a, b, threads: 1)[0].distances[0] == there)
    #expect(Self.distances(a, b, threads: 5)[0].distances[0] == there)
    let other = Self.distances(a, b, seed: 1)[0].distances[0]
    #expect(other != there && abs(other - there) < 0.5 * there)
  }

  @Test("noise is farther than another draw; brightness of a whole set does not count")
  func scale() {
    let (a, b) = (Self.images(20), Self.images(20, seed: 2))
    let noise = PixelSet.noise(width: 16, height: 16, count: 20, seed: 0)
    let brighter = Self.images(20, shade: 15)
    let found = Self.distances(a, b, noise, brighter)[0].distances
    #expect(found[1] > 3 * found[0] && found[2] < found[0], "\(found)")
    #expect(Set(noise.images).count == 20 && Set(noise.images[0]).count > 200)
    #expect(
      PixelSet.noise(width: 16, height: 16, count: 2, seed: 0).images == Array(noise.images[..<2]))
  }

  @Test("sets of one colour are not divided by nothing")
  func flat() {
    let flat = PixelSet(
      width: 16, height: 16, images: [[UInt8](repeating: 40, count: 768)])
    let found = Self.distances(flat, flat, Self.images(1))[0].distances
    #expect(found[0] == 0 && found[1].isFinite && found[1] > 100)
  }
}
