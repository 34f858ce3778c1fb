import Files
import Datasets
import FileTestSupport
import Foundation
import Imaging
import Synchronization
import Testing

@Suite struct ImageStoreTests {
  private static let recipe = Augmentation(size: 8)

  private func store(
    _ folder: ScratchFolder, recipe: Augmentation = Self.recipe, megabytes: Int
  ) throws -> ImageStore {
    try ImageStore(
      folder: ImageFolder(path: folder.path), augmentation: recipe, cacheMegabytes: megabytes)
  }

  @Test func everythingIsDecodedWhenItFits() throws {
    let folder = try ScratchFolder()
    try folder.fill(9)
    let store = try store(folder, megabytes: 1)
    #expect(store.count == 9)
    #expect(store.cachedBytes == 9 * 12 * 10 * 3)
    // From memory: the files may go.
    for file in store.files { try FileManager.default.removeItem(atPath: folder.path + "/" + file) }
    for index in 0..<9 {
      #expect(
        try store.image(index) == ScratchFolder.image(width: 12, height: 10, tint: index))
    }
  }

  @Test func nothingIsKeptBeyondTheLimit() throws {
    let folder = try ScratchFolder()
    // 300 x 400 x 3 = 360,000 bytes each: two fit a megabyte, the third does not.
    try folder.fill(4, width: 300, height: 400)
    let store = try store(folder, megabytes: 1)
    // What has room is decoded at once, so that it need not be read a second time.
    #expect(store.cachedBytes == 720_000)
    for _ in 0..<2 {
      for index in 0..<4 {
        #expect(
          try store.image(index) == ScratchFolder.image(width: 300, height: 400, tint: index))
      }
    }
    #expect(store.cachedBytes == 720_000)
    let none = try self.store(folder, megabytes: 0)
    _ = try none.image(0)
    #expect(none.cachedBytes == 0)
  }

  @Test func resizedImagesAreWhatIsKept() throws {
    let folder = try ScratchFolder()
    try folder.fill(2, width: 40, height: 60)
    let store = try store(folder, recipe: Augmentation(size: 8, resize: .cover), megabytes: 1)
    #expect(store.cachedBytes == 2 * 8 * 12 * 3)
    #expect(try store.image(0).width == 8)
  }

  @Test(arguments: [0, 1]) func badFilesAreLeftOutWithTheirReasons(megabytes: Int) throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    try folder.write("", to: "001a.png")
    try folder.write("I am text", to: "zzz.jpg")
    try folder.link("nowhere.png", to: "gone.png")
    let store = try store(folder, megabytes: megabytes)
    #expect(store.files == ["000.png", "001.png", "002.png"])
    #expect(store.rejected.map(\.file) == ["001a.png", "nowhere.png", "zzz.jpg"])
    for bad in store.rejected {
      #expect(bad.reason.hasPrefix(folder.path + "/" + bad.file))
    }
    // Numbers go by the good files alone.
    #expect(try store.image(2) == ScratchFolder.image(width: 12, height: 10, tint: 2))
  }

  @Test func damageBehindTheHeaderIsFoundAtOpeningOrAtUse() throws {
    let folder = try ScratchFolder()
    try folder.fill(2, width: 64, height: 64)
    let path = URL(fileURLWithPath: folder.path + "/000.png")
    let bytes = try Data(contentsOf: path)
    try bytes.prefix(bytes.count / 2).write(to: path)
    #expect(try store(folder, megabytes: 1).rejected.map(\.file) == ["000.png"])
    let late = try store(folder, megabytes: 0)
    #expect(late.rejected.isEmpty)
    let error = #expect(throws: DatasetError.self) { try late.image(0) }
    guard case .image = error else {
      Issue.record("expected an image error, found \(String(describing: error))")
      return
    }
  }

  @Test func onlyBadFiles() throws {
    let folder = try ScratchFolder()
    try folder.write("x", to: "a.png")
    try folder.write("x", to: "b.png")
    let error = #expect(throws: DatasetError.self) { try store(folder, megabytes: 1) }
    guard case .noReadableImages(_, 2, let first) = error else {
      Issue.record("found \(String(describing: error))")
      return
    }
    #expect(first.contains("a.png"))
  }

  @Test func smallImagesStopTheOpening() throws {
    let folder = try ScratchFolder()
    try folder.fill(3)
    try folder.writeImage("004.png", width: 30, height: 7)
    try folder.writeImage("005.png", width: 3, height: 9)
    #expect(
      throws: DatasetError.tooSmall(
        file: folder.path + "/004.png", width: 30, height: 7, needed: 8, others: 1)
    ) { try store(folder, megabytes: 1) }
  }

  @Test func progressReachesTheEnd() throws {
    let folder = try ScratchFolder()
    try folder.fill(5)
    let seen = Mutex<[Int]>([])
    _ = try ImageStore(
      folder: ImageFolder(path: folder.path), augmentation: Self.recipe, cacheMegabytes: 1
    ) { done, all in
      #expect(all == 5)
      seen.withLock { $0.append(done) }
    }
    #expect(seen.withLock { $0 } == [1, 2, 3, 4, 5])
  }
}

@Suite struct DatasetTests {
  private static let recipe = Augmentation(size: 8)

  @Test func holdsOutAShare() throws {
    let folder = try ScratchFolder()
    try folder.fill(20)
    let data = try Dataset(
      train: folder.path, validationShare: 0.25, seed: 1, augmentation: Self.recipe,
      cacheMegabytes: 1)
    let split = Split(data.training.store.files, validationShare: 0.25, seed: 1)
    #expect(data.training.files == split.training.map { data.training.store.files[$0] })
    #expect(data.validation.files == split.validation.map { data.training.store.files[$0] })
    #expect(!data.validation.files.isEmpty)
    #expect(try data.validation.image(0).pixels[2] == UInt8(split.validation[0]))
  }

  @Test func takesAFolderToValidateWith() throws {
    let train = try ScratchFolder()
    let other = try ScratchFolder()
    try train.fill(3)
    try other.fill(2)
    try other.write("x", to: "bad.jpg")
    let data = try Dataset(
      train: train.path, validation: other.path, validationShare: 0.5, seed: 1,
      augmentation: Self.recipe, cacheMegabytes: 1)
    #expect(data.training.count == 3 && data.validation.count == 2)
    #expect(data.rejected.map(\.file) == ["bad.jpg"])
  }

  @Test func oneImageCannotBeSplit() throws {
    let folder = try ScratchFolder()
    try folder.fill(1)
    #expect(throws: DatasetError.tooFewImages(path: folder.path, count: 1, needed: 2)) {
      try Dataset(
        train: folder.path, validationShare: 0.1, seed: 1, augmentation: Self.recipe,
        cacheMegabytes: 1)
    }
    let data = try Dataset(
      train: folder.path, validationShare: 0, seed: 1, augmentation: Self.recipe,
      cacheMegabytes: 1)
    #expect(data.training.count == 1 && data.validation.count == 0)
  }

  @Test func fixedSetIsFixed() throws {
    let folder = try ScratchFolder()
    try folder.fill(10)
    let store = try ImageStore(
      folder: ImageFolder(path: folder.path), augmentation: Self.recipe, cacheMegabytes: 1)
    let set = try FixedSet(ImageSet(store: store), count: 5)
    #expect(set.files == ["000.png", "002.png", "004.png", "006.png", "008.png"])
    let expected = (0..<5).map {
      ScratchFolder.image(width: 12, height: 10, tint: 2 * $0)
        .centreCropped(width: 8, height: 8)
    }
    #expect(set.images == expected)
    #expect(set.numbers == expected.flatMap { $0.pixels.map { Float($0) / 127.5 - 1 } })
    #expect(try FixedSet(ImageSet(store: store), count: 99).count == 10)
    #expect(try FixedSet(ImageSet(store: store), count: 0).numbers.isEmpty)
  }
}
