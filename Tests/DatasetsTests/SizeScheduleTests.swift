import Datasets
import FileTestSupport
import Imaging
import Randomness
import Testing

/// Batches whose images are larger and fewer.
struct SizeScheduleTests {
  @Test func stepsDrawTheirMultipleEvenlyAndFromTheSeed() {
    let schedule = SizeSchedule(multiples: [1, 1, 2, 4], seed: 3)
    let drawn = (0..<4000).map(schedule.multiple)
    let counts = Dictionary(grouping: drawn) { $0 }.mapValues(\.count)
    #expect(abs(counts[1]! - 2000) < 150 && abs(counts[2]! - 1000) < 130)
    #expect(abs(counts[4]! - 1000) < 130 && counts.count == 3)
    #expect(
      (0..<50).map(SizeSchedule(multiples: [1, 1, 2, 4], seed: 3).multiple) == Array(drawn[..<50]))
    #expect(
      (0..<50).map(SizeSchedule(multiples: [1, 1, 2, 4], seed: 4).multiple) != Array(drawn[..<50]))
    #expect((0..<9).allSatisfy { SizeSchedule(multiples: [1], seed: 0).multiple(ofStep: $0) == 1 })
    for step in 0..<20 {
      let multiple = schedule.multiple(ofStep: step)
      #expect(schedule.images(ofStep: step, batchSize: 32) == 32 / multiple / multiple)
    }
  }

  /// A batch of larger images has as many numbers: the first samples of the step, cut larger.
  @Test func batchesOfAllSizesHaveAsManyNumbers() throws {
    let folder = try ScratchFolder()
    try folder.fill(9, width: 20, height: 24)
    let recipe = Augmentation(size: 4, crop: .random, flips: true, sizeMultiples: [1, 2])
    let images = ImageSet(
      store: try ImageStore(
        folder: ImageFolder(path: folder.path), augmentation: recipe, cacheMegabytes: 8))
    let loader = BatchLoader(images: images, batchSize: 8, seed: 5)
    var seen: Set<Int> = []
    for step in 0..<12 {
      let multiple = loader.sizes.multiple(ofStep: step)
      seen.insert(multiple)
      let batch = try loader.withBatch(step: step) { Array($0) }
      #expect(batch.count == 8 * 4 * 4 * 3)
      let side = 4 * multiple
      for sample in 0..<8 / multiple / multiple {
        let number = step * 8 + sample
        let image = try images.image(loader.order.image(ofSample: number))
        var random = Generator(seed: 5).split(named: "augmentation").split(UInt64(number))
        var expected = [Float](repeating: 9, count: side * side * 3)
        recipe.write(image, multiple: multiple, random: &random, to: &expected)
        let count = side * side * 3
        #expect(Array(batch[sample * count..<(sample + 1) * count]) == expected)
      }
    }
    #expect(seen == [1, 2])
  }

  @Test func imagesMustHoldTheLargestCrop() throws {
    let folder = try ScratchFolder()
    try folder.fill(2, width: 12, height: 10)
    func store(_ recipe: Augmentation) throws -> ImageStore {
      try ImageStore(
        folder: ImageFolder(path: folder.path), augmentation: recipe, cacheMegabytes: 8)
    }
    #expect(throws: DatasetError.self) {
      _ = try store(Augmentation(size: 8, sizeMultiples: [1, 2]))
    }
    // A crop that is scaled fits whatever its size, and evaluation needs no more than the size itself.
    let scaled = Augmentation(size: 8, crop: .resized, sizeMultiples: [1, 2])
    #expect(try store(scaled).count == 2)
    #expect(try store(Augmentation(size: 8, sizeMultiples: [1, 2]).withoutChance).count == 2)
  }

  @Test func scaledCropsHaveAllSidesAndPlaces() {
    // Red tells the column: the least and the greatest say where a crop lay.
    var image = Image(width: 64, height: 64)
    for y in 0..<64 {
      for x in 0..<64 { image[x, y] = PixelColor(UInt8(x * 4), UInt8(y * 4), 0) }
    }
    let recipe = Augmentation(size: 8, crop: .resized, flips: false, smallestCrop: 0.25)
    var random = Generator(seed: 2)
    var widths: [Int] = []
    for _ in 0..<2000 {
      let sample = recipe.sample(image, random: &random)
      let (left, right) = (Int(sample.pixels[0]), Int(sample.pixels[21]))
      widths.append((right - left) * 2 / 7)
    }
    #expect(widths.allSatisfy { (13...66).contains($0) })
    // Each doubling equally likely: as many between 16 and 32 as between 32 and 64.
    let small = widths.count { $0 < 32 }
    #expect(abs(small - 1000) < 130, "\(small)")
    #expect(
      recipe.withoutChance.sample(image, random: &random)
        == image.centreCropped(width: 8, height: 8))
  }
}
