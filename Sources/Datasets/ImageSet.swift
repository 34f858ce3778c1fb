import Imaging

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
  public let files: [String]
  /// Which of them are known to be bad.
  public let damage: ImageDamage

  /// Their numbers in the store; nil for those that are not there.
  private let indices: [Int?]

  /// The given images of a store.
  public init(store: ImageStore, indices: [Int]) {
    self.store = store
    self.indices = indices
    files = indices.map { store.files[$0] }
    damage = ImageDamage(folder: store.folder.path, count: indices.count)
  }

  /// All images of a store.
  public init(store: ImageStore) { self.init(store: store, indices: Array(0..<store.count)) }

  /// The images of the given names, in that order; those the store lacks count as
  /// damaged, and so do those that are named.
  ///
  /// - Throws: `tooManyDamaged` if hardly any is left.
  public init(
    store: ImageStore, files: [String], damaged: Set<String> = []
  ) throws(DatasetError) {
    // By their bytes: two spellings of one letter are two names.
    let numbers = Dictionary(
      zip(store.files.map { Array($0.utf8) }, store.files.indices),
      uniquingKeysWith: { first, _ in first })
    let reasons = Dictionary(
      store.rejected.map { (Array($0.file.utf8), $0.reason) },
      uniquingKeysWith: { first, _ in first })
    let damaged = Set(damaged.map { Array($0.utf8) })
    self.store = store
    self.files = files
    indices = files.map { numbers[Array($0.utf8)] }
    damage = ImageDamage(folder: store.folder.path, count: files.count)
    for (index, file) in files.enumerated() {
      if damaged.contains(Array(file.utf8)) {
        try damage.add(
          index, reason: store.folder.fullPath(file) + ": it was found damaged earlier.")
      } else if indices[index] == nil {
        try damage.add(
          index,
          reason: reasons[Array(file.utf8)] ?? store.folder.fullPath(file)
            + ": it no longer exists."
        )
      }
    }
  }

  /// How many images there are, bad ones included.
  public var count: Int { files.count }

  /// The path of an image within its folder.
  public func file(_ index: Int) -> String { files[index] }

  /// An image, resized as the recipe says, or the one that takes its place.
  ///
  /// - Throws: `tooManyDamaged` if more than half of the images are bad; and what says nothing about
  ///   the file, as when the process may open no more files.
  public func image(_ index: Int) throws(DatasetError) -> Image {
    var place = index
    for _ in 0..<count {
      if let number = indices[place], !damage.contains(place) {
        do throws(DatasetError) {
          return try store.image(number)
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
