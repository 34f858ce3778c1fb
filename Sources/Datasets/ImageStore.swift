import Files
import Imaging
import Synchronization

/// Images by number: decoded and resized when first needed, then cached while memory allows.
///
/// Pixels are kept as bytes, width * height * 3 an image, up to a limit; nothing is evicted, so
/// the images that found room stay quick, and the others are decoded at each use. Safe to use from
/// several threads; two that ask for one image at once may both decode it, with the same result.
public final class ImageStore: Sendable {
  /// Where the images are; the good ones only.
  public let source: ImageSource
  /// The files that were skipped because they cannot be decoded, after those of the listing.
  public let rejected: [RejectedImage]
  /// The files that are damaged but were decoded all the same when the store was opened.
  public let doubtful: [RejectedImage]
  /// How many of the images may have transparent pixels, which are composited over the background.
  public let transparentCount: Int
  /// Images whose bytes are others than an index says.
  public let changed: [String]
  /// The recipe's fixed part is applied to the images.
  public let augmentation: Augmentation

  private let decoder: ImageDecoder
  private let byteLimit: Int
  private let entries: [ImageIndex.Entry]
  private let cache: Mutex<Cache>

  private struct Cache {
    /// By their numbers: most images of a large set are not there.
    var images: [Int: Image]
    var bytes = 0
  }

  /// Opens all images of a source, and says which are bad.
  ///
  /// Every header is read, on all cores: a few KiB of each file. Images are decoded as well as long as
  /// those seen so far fit the cache, so that training finds them in memory and no file is read twice.
  /// If not all of them fit, damage behind a header shows when the image is first used. `progress` is
  /// called with the files done and all, one call at a time. A megabyte is 1,000,000 bytes.
  ///
  /// - Parameter known: What an earlier run knew of the images. If not all of them fit the cache, those that
  ///   are as they were then are not opened.
  /// - Throws: `noReadableImages`; `tooSmall` for images that the crop does not fit.
  public init(
    source: ImageSource, augmentation: Augmentation, cacheMegabytes: Int,
    decoder: ImageDecoder = ImageDecoder(), known: ImageIndex? = nil,
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws(DatasetError) {
    let check = ImageCheck(
      source: source, augmentation: augmentation, decoder: decoder, known: known)
    let outcome = check.run(byteLimit: Self.bytes(cacheMegabytes), progress: progress)
    let failures = outcome.failures.sorted { $0.key < $1.key }
    for (_, error) in failures {
      // No fault of the file: it must not be missing in the data for that.
      if case .image(.exhausted) = error { throw error }
    }
    let small = failures.compactMap { _, error in
      if case .tooSmall = error { error } else { nil }
    }
    if case .tooSmall(let file, let width, let height, let needed, _) = small.first {
      throw .tooSmall(
        file: file, width: width, height: height, needed: needed, others: small.count - 1)
    }
    var rejected = source.leftOut
    for (index, error) in failures {
      // Where the process may open no more files, say, none of them is to blame.
      guard error.isOfTheFile else { throw error }
      rejected.append(RejectedImage(file: source.files[index], reason: error.description))
    }
    let isWhole = failures.isEmpty
    let indices = isWhole ? [] : source.files.indices.filter { outcome.failures[$0] == nil }
    if let first = rejected.first, !isWhole, indices.isEmpty {
      throw .noReadableImages(path: source.path, count: rejected.count, first: first.reason)
    }
    self.source = isWhole ? source : source.keeping(indices)
    self.rejected = rejected
    entries = isWhole ? outcome.entries : indices.map { outcome.entries[$0] }
    changed = outcome.changed.map { source.files[$0] }
    doubtful = outcome.doubtful
    transparentCount = outcome.transparentCount
    self.augmentation = augmentation
    self.decoder = decoder
    byteLimit = Self.bytes(cacheMegabytes)
    var images = outcome.images
    if !isWhole {
      images = [:]
      for (index, place) in indices.enumerated() { images[index] = outcome.images[place] }
    }
    let bytes = images.values.reduce(0) { $0 + $1.pixels.count }
    cache = Mutex(Cache(images: images, bytes: bytes))
  }

  /// What the headers of the images say, for a later run.
  public var index: ImageIndex { ImageIndex(files: files, entries: entries) }

  /// The images of a folder.
  ///
  /// - Throws: as of a source.
  public convenience init(
    folder: ImageFolder, augmentation: Augmentation, cacheMegabytes: Int,
    decoder: ImageDecoder = ImageDecoder(),
    progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void = { _, _ in }
  ) throws(DatasetError) {
    try self.init(
      source: ImageSource(folder), augmentation: augmentation, cacheMegabytes: cacheMegabytes,
      decoder: decoder, progress: progress)
  }

  /// The good images' names within their source.
  public var files: NameList { source.files }

  /// How many images there are.
  public var count: Int { files.count }

  /// Whether every image is in memory.
  public var isCached: Bool { cache.withLock { $0.images.count } == count }

  /// How many bytes of pixels are kept.
  public var cachedBytes: Int { cache.withLock { $0.bytes } }

  /// The image with this number, resized as the recipe says, but neither cropped nor flipped.
  ///
  /// - Throws: `image` or `tooSmall` if the file has gone bad since the store was opened.
  public func image(_ index: Int) throws(DatasetError) -> Image {
    if let kept = cache.withLock({ $0.images[index] }) { return kept }
    let image = try Self.read(
      source.location(index), decoder: decoder, augmentation: augmentation)
    cache.withLock { cache in
      if cache.images[index] == nil, cache.bytes + image.pixels.count <= byteLimit {
        cache.images[index] = image
        cache.bytes += image.pixels.count
      }
    }
    return image
  }

  static func read(
    _ location: ImageLocation, decoder: ImageDecoder, augmentation: Augmentation
  ) throws(DatasetError) -> Image {
    let file: ImageFile
    do throws(ImageError) {
      file = try decoder.open(location)
    } catch {
      throw .image(error)
    }
    return try decode(file, augmentation: augmentation)
  }

  /// Decodes and resizes; what the recipe refuses is refused by its header.
  static func decode(
    _ file: ImageFile, augmentation: Augmentation
  ) throws(DatasetError) -> Image {
    try decodeNoting(file, augmentation: augmentation).image
  }

  /// The same; also says what is wrong with a file of which an image came all the same.
  static func decodeNoting(
    _ file: ImageFile, augmentation: Augmentation
  ) throws(DatasetError) -> (image: Image, doubt: String?) {
    _ = try augmentation.preparedSize(
      width: file.header.width, height: file.header.height, file: file.path)
    let decoded: (image: Image, doubt: String?)
    do throws(ImageError) {
      decoded = try file.decodeNoting()
    } catch {
      throw .image(error)
    }
    return (try augmentation.prepared(decoded.image, file: file.path), decoded.doubt)
  }

  /// Megabytes as the configuration counts them.
  static func bytes(_ megabytes: Int) -> Int { megabytes * 1_000_000 }
}

/// A file of a data set that was skipped, and why.
public struct RejectedImage: Sendable, Equatable, CustomStringConvertible {
  /// The path within the folder.
  public let file: String
  /// What is wrong and what to do; begins with the full path.
  public let reason: String
  /// How many images that are: 1 for a file, 0 for a folder that cannot be looked into.
  public let imageCount: Int

  init(file: String, reason: String, imageCount: Int = 1) {
    self.file = file
    self.reason = reason
    self.imageCount = imageCount
  }

  /// The reason.
  public var description: String { reason }
}

/// Some images of a store, in a fixed order: what is trained on, or what is validated with.
///
/// An image that cannot be used is replaced by the next one of the order that can: from the last one
/// the search continues at the first. So the replacement of an image depends on which files are
/// bad, and on nothing else. A file that was found bad stays bad for this set, even if it is
/// repaired.
public struct ImageSet: Sendable {
  /// Where the images are.
  public let store: ImageStore
  /// Their paths within the folder, in order.
  public let files: NameList
  /// Which of them are known to be bad.
  public let damage: ImageDamage

  /// Their numbers in the store; -1 for those that are not there.
  private let indices: [Int32]

  /// The given images of a store, of which no more than a number may turn out bad; nil for half.
  public init(store: ImageStore, indices: [Int], damagedLimit: Int? = nil) {
    self.store = store
    let places = indices.map { Int32($0) }
    self.indices = places
    files = indices.count == store.count ? store.files : store.files.keeping(places)
    damage = ImageDamage(
      folder: store.source.path, count: indices.count, limit: damagedLimit)
  }

  /// All images of a store.
  public init(store: ImageStore, damagedLimit: Int? = nil) {
    self.init(store: store, indices: Array(0..<store.count), damagedLimit: damagedLimit)
  }

  /// The images of the given names, in that order; those the store lacks count as
  /// damaged, and so do those that are named.
  ///
  /// - Throws: `tooManyDamaged` if hardly any is left, `aboveDamagedLimit` if fewer are than are asked for.
  public init(
    store: ImageStore, files: NameList, damaged: Set<String> = [], damagedLimit: Int? = nil
  ) throws(DatasetError) {
    // By their bytes: two spellings of one letter are two names.
    let reasons = Dictionary(
      store.rejected.map { (Array($0.file.utf8), $0.reason) },
      uniquingKeysWith: { first, _ in first })
    let damaged = Set(damaged.map { Array($0.utf8) })
    self.store = store
    self.files = files
    indices = files.indices.map { index in
      Int32(files.withUTF8(index) { store.files.place(ofUTF8: $0) } ?? -1)
    }
    damage = ImageDamage(folder: store.source.path, count: files.count, limit: damagedLimit)
    if damaged.isEmpty, !indices.contains(-1) { return }
    for (index, file) in files.enumerated() {
      if damaged.contains(Array(file.utf8)) {
        try damage.add(
          index, reason: store.source.fullPath(file) + ": it was found damaged earlier.")
      } else if indices[index] < 0 {
        try damage.add(
          index,
          reason: reasons[Array(file.utf8)] ?? store.source.fullPath(file)
            + ": it no longer exists."
        )
      }
    }
  }

  /// How many images there are, bad ones included.
  public var count: Int { files.count }

  /// The path of an image within its folder.
  public func file(_ index: Int) -> String { files[index] }

  /// The class of an image; nil where it has none, or is not there.
  public func className(_ index: Int) -> String? {
    indices[index] < 0 ? nil : store.source.className(Int(indices[index]))
  }

  /// An image, resized as the recipe says, or the one that takes its place.
  ///
  /// - Throws: `aboveDamagedLimit` if more images are bad than may be, `tooManyDamaged` if more than half are; and what says nothing about
  ///   the file, as when the process may open no more files.
  public func image(_ index: Int) throws(DatasetError) -> Image {
    var place = index
    for _ in 0..<count {
      if indices[place] >= 0, !damage.contains(place) {
        do throws(DatasetError) {
          return try store.image(Int(indices[place]))
        } catch {
          guard error.isOfTheFile else { throw error }
          try damage.add(place, reason: error.description)
        }
      }
      place = (place + 1) % count
    }
    throw damage.tooMany
  }

  /// The image that replaces one known to be damaged, or that image.
  public func substitute(of index: Int) -> Int {
    var place = index
    for _ in 0..<count where damage.contains(place) { place = (place + 1) % count }
    return place
  }
}
