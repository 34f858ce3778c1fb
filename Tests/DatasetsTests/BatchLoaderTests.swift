import Datasets
import Files
import FileTestSupport
import Foundation
import Imaging
import Randomness
import Testing

@Suite struct BatchLoaderTests {
  private static let recipe = Augmentation(size: 8)

  private func images(
    _ folder: ScratchFolder, megabytes: Int = 1
  ) throws -> ImageSet {
    ImageSet(
      store: try ImageStore(
        folder: ImageFolder(path: folder.path), augmentation: Self.recipe,
        cacheMegabytes: megabytes))
  }

  /// The slow, obvious way to a batch.
  private func expected(
    _ images: ImageSet, step: Int, batchSize: Int, seed: UInt64
  ) throws -> [Float] {
    let order = BatchOrder(count: images.count, batchSize: batchSize, seed: seed)
    return try order.samples(ofStep: step).flatMap { sample in
      var random = Generator(seed: seed).split(named: "augmentation").split(UInt64(sample))
      let image = try images.image(order.image(ofSample: sample))
      return Self.recipe.sample(image, random: &random).pixels.map { Float($0) / 127.5 - 1 }
    }
  }

  @Test(arguments: [(1, 1), (2, 1), (1, 3), (4, 3)])
  func batchesAreTheSameWhateverTheThreads(prefetch: Int, threads: Int) throws {
    let folder = try ScratchFolder()
    try folder.fill(10)
    let images = try images(folder)
    let loader = BatchLoader(
      images: images, batchSize: 4, seed: 7, prefetch: prefetch, threads: threads)
    #expect(loader.batchCount == 4 * 8 * 8 * 3)
    for step in 0..<20 {
      let batch = try loader.withBatch(step: step) { Array($0) }
      #expect(try batch == expected(images, step: step, batchSize: 4, seed: 7))
    }
    loader.stop()
  }

  @Test func anyStepMayBeAskedFor() throws {
    let folder = try ScratchFolder()
    try folder.fill(5)
    let images = try images(folder, megabytes: 0)
    let loader = BatchLoader(images: images, batchSize: 3, seed: 1, firstStep: 100, threads: 2)
    for step in [100, 101, 7, 7, 8, 0, 1000, 2, 1] {
      let batch = try loader.withBatch(step: step) { Array($0) }
      #expect(try batch == expected(images, step: step, batchSize: 3, seed: 1))
    }
  }

  @Test func fillGivesTheSameSamples() throws {
    let folder = try ScratchFolder()
    try folder.fill(5)
    let images = try images(folder)
    let loader = BatchLoader(images: images, batchSize: 3, seed: 1)
    let batch = try loader.withBatch(step: 2) { Array($0) }
    var numbers = [Float](repeating: 9, count: loader.batchCount)
    try numbers.withUnsafeMutableBufferPointer {
      try loader.fill(samples: 6..<9, to: $0.baseAddress!)
    }
    #expect(numbers == batch)
    // The middle sample alone is the middle of the batch.
    var one = [Float](repeating: 9, count: 192)
    try one.withUnsafeMutableBufferPointer {
      try loader.fill(samples: 7..<8, to: $0.baseAddress!)
    }
    #expect(one == Array(batch[192..<384]))
  }

  @Test func aFileThatGoesBadIsReplacedByTheNextOne() throws {
    let folder = try ScratchFolder()
    try folder.fill(4)
    let images = try images(folder, megabytes: 0)
    try FileManager.default.removeItem(atPath: folder.path + "/003.png")
    let loader = BatchLoader(images: images, batchSize: 1, seed: 3)
    var met = 0
    for step in 0..<12 {
      let batch = try loader.withBatch(step: step) { Array($0) }
      guard loader.order.image(ofSample: step) == 3 else { continue }
      met += 1
      #expect(images.damage[3]?.contains("003.png") == true)
      // From the last one the search goes on at the first; chance stays that of the sample.
      var (random, expected) = (
        Generator(seed: 3).split(named: "augmentation").split(UInt64(step)),
        [Float](repeating: 9, count: 192)
      )
      images.store.augmentation.write(
        try images.store.image(0), random: &random, to: &expected)
      #expect(batch == expected)
    }
    #expect(met == 3 && images.damage.entries.map(\.index) == [3])
  }

  @Test func moreBadFilesThanGoodOnesAreAnError() throws {
    let folder = try ScratchFolder()
    try folder.fill(4)
    let images = try images(folder, megabytes: 0)
    for name in ["000", "001", "003"] {
      try FileManager.default.removeItem(atPath: folder.path + "/\(name).png")
    }
    let loader = BatchLoader(images: images, batchSize: 4, seed: 3)
    let error = #expect(throws: DatasetError.self) { try loader.withBatch(step: 0) { _ in } }
    guard case .tooManyDamaged(folder.path, 3, 4, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
  }

  /// With a limit, one image more than it ends the steps, and fewer do not.
  @Test(arguments: [0, 1, 2, 3]) func theLimitOfBadFiles(_ limit: Int) throws {
    let folder = try ScratchFolder()
    try folder.fill(8)
    let store = try ImageStore(
      source: ImageSource(path: folder.path), augmentation: Self.recipe, cacheMegabytes: 0)
    for name in ["001", "006"] {
      try FileManager.default.removeItem(atPath: folder.path + "/\(name).png")
    }
    let loader = BatchLoader(
      images: ImageSet(store: store, damagedLimit: limit), batchSize: 8, seed: 3)
    guard limit < 2 else {
      try loader.withBatch(step: 0) { _ in }
      #expect(loader.images.damage.entries.map(\.index) == [1, 6])
      return
    }
    let error = #expect(throws: DatasetError.self) { try loader.withBatch(step: 0) { _ in } }
    guard case .aboveDamagedLimit(folder.path, let damaged, limit, _)? = error else {
      Issue.record("another error: \(String(describing: error))")
      return
    }
    #expect(damaged > limit)
    #expect(error?.description.contains("at most \(limit) images") == true)
    #expect(error?.description.contains("data.damagedLimit") == true)
  }

  /// A list of names from before decides over the order, whatever is in the folder now.
  @Test func aListOfNamesIsFollowed() throws {
    let folder = try ScratchFolder()
    try folder.fill(5)
    let store = try ImageStore(
      folder: ImageFolder(path: folder.path), augmentation: Augmentation(size: 8),
      cacheMegabytes: 1)
    let names = ["000.png", "002.png", "gone.png", "003.png", "004.png"]
    let set = try ImageSet(store: store, files: NameList(names), damaged: ["004.png"])
    #expect(set.files == names)
    #expect(set.damage.entries.map(\.index) == [2, 4])
    #expect([0, 1, 2, 3, 4].map(set.substitute) == [0, 1, 3, 3, 0])
    #expect(try set.image(2) == store.image(3) && set.image(4) == store.image(0))
    #expect(throws: DatasetError.self) {
      try ImageSet(store: store, files: NameList(["a.png", "b.png", "000.png"]))
    }
  }

  @Test func stopIsFinalAndIdempotent() throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    let loader = BatchLoader(images: try images(folder), batchSize: 2, seed: 1, threads: 3)
    _ = try loader.withBatch(step: 0) { $0[0] }
    loader.stop()
    loader.stop()
    #expect(throws: DatasetError.stopped) { try loader.withBatch(step: 1) { _ in } }
  }

  @Test func stoppingFromABatchKeepsItsNumbers() throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    let images = try images(folder)
    let loader = BatchLoader(images: images, batchSize: 2, seed: 1)
    let batch = try loader.withBatch(step: 0) { numbers in
      loader.stop()
      return Array(numbers)
    }
    #expect(try batch == expected(images, step: 0, batchSize: 2, seed: 1))
  }

  @Test func errorsOfTheUserPassThroughAndFreeTheBuffer() throws {
    struct Refusal: Error {}
    let folder = try ScratchFolder()
    try folder.fill(3)
    let loader = BatchLoader(images: try images(folder), batchSize: 2, seed: 1, prefetch: 1)
    for step in 0..<6 {
      #expect(throws: Refusal.self) { try loader.withBatch(step: step) { _ in throw Refusal() } }
    }
    #expect(try loader.withBatch(step: 6) { $0.count } == 384)
  }

  /// Loaders come and go without a call to stop: their threads end with them.
  @Test func loadersEndWhenLetGo() throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    let images = try images(folder)
    for seed in 0..<30 as Range<UInt64> {
      let loader = BatchLoader(images: images, batchSize: 2, seed: seed, threads: 2)
      if seed % 2 == 0 { _ = try loader.withBatch(step: 1) { $0[0] } }
    }
    weak var gone: BatchLoader?
    do {
      let loader = BatchLoader(images: images, batchSize: 2, seed: 1)
      _ = try loader.withBatch(step: 0) { $0[0] }
      gone = loader
    }
    #expect(gone == nil)
  }
}
