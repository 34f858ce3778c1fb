import Datasets
import FileTestSupport
import Imaging
import Randomness
import Testing

@Suite struct AugmentationTests {
  private static let image = ScratchFolder.image(width: 12, height: 10, tint: 200)

  private func numbers(
    _ recipe: Augmentation, _ image: Image, _ random: inout Generator
  ) -> [Float] {
    [Float](unsafeUninitializedCapacity: recipe.sampleCount) { buffer, count in
      recipe.write(image, random: &random, to: buffer.baseAddress!)
      count = recipe.sampleCount
    }
  }

  @Test(arguments: [Augmentation.Crop.random, .centre], [true, false])
  func numbersAreThoseOfTheSample(crop: Augmentation.Crop, flips: Bool) {
    let recipe = Augmentation(size: 6, crop: crop, flips: flips)
    for stream in 0..<30 as Range<UInt64> {
      var first = Generator(seed: 1).split(stream)
      var second = first
      let sample = recipe.sample(Self.image, random: &first)
      let expected = sample.pixels.map { Float($0) / 127.5 - 1 }
      #expect(numbers(recipe, Self.image, &second) == expected)
      #expect(first == second)
    }
  }

  @Test func centreCropWithoutFlipIsFixed() {
    let recipe = Augmentation(size: 6, crop: .random, flips: true).withoutChance
    var random = Generator(seed: 1)
    let before = random
    let sample = recipe.sample(Self.image, random: &random)
    #expect(sample == Self.image.cropped(x: 3, y: 2, width: 6, height: 6))
    #expect(random == before)
  }

  @Test func everyPlaceAndBothSidesComeUp() {
    let recipe = Augmentation(size: 8, crop: .random, flips: true)
    var seen: [[UInt8]: Int] = [:]
    var random = Generator(seed: 2)
    for _ in 0..<3000 { seen[recipe.sample(Self.image, random: &random).pixels, default: 0] += 1 }
    // 5 x 3 places, mirrored or not: 100 of each expected, deviation 10.
    #expect(seen.count == 30)
    #expect(seen.values.allSatisfy { (50...150).contains($0) })
  }

  @Test func numbersSpanMinusOneToOne() {
    let image = Image(width: 1, height: 1, pixels: [0, 255, 51])
    var random = Generator(seed: 0)
    let found = numbers(Augmentation(size: 1), image, &random)
    #expect(found == [-1, 1, 51 / 127.5 - 1])
  }

  @Test(arguments: [
    (12, 10, 5, 6, 5), (10, 12, 5, 5, 6), (100, 300, 7, 7, 21), (9, 9, 30, 30, 30),
    (11, 7, 3, 5, 3),
  ]) func coverScalesTheShorterSide(
    width: Int, height: Int, size: Int, newWidth: Int, newHeight: Int
  ) throws {
    let recipe = Augmentation(size: size, resize: .cover)
    let image = ScratchFolder.image(width: width, height: height, tint: 1)
    let prepared = try recipe.prepared(image, file: "x.png")
    #expect(prepared.width == newWidth && prepared.height == newHeight)
  }

  @Test func tooSmallNamesSizesAndTheWayOut() {
    let recipe = Augmentation(size: 11)
    let error = #expect(throws: DatasetError.self) {
      try recipe.prepared(Self.image, file: "cats/1.png")
    }
    #expect(
      error == .tooSmall(file: "cats/1.png", width: 12, height: 10, needed: 11, others: 0))
    for part in ["cats/1.png", "12x10", "11x11", "\"cover\""] {
      #expect(error?.description.contains(part) == true)
    }
  }

  @Test func absurdlyThinImagesAreRefused() {
    let recipe = Augmentation(size: 4, resize: .cover)
    #expect(throws: DatasetError.tooThin(file: "x", width: 1, height: 65)) {
      try recipe.preparedSize(width: 1, height: 65, file: "x")
    }
    #expect(throws: Never.self) { try recipe.preparedSize(width: 1, height: 64, file: "x") }
  }
}
