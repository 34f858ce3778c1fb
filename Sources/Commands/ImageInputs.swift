import Datasets
import Files
import Foundation
import Imaging
import Threads

// MARK: - Files

/// An image file to encode, and the name by which the token file knows it.
struct ImageInput: Sendable, Equatable {
  /// Where its bytes are.
  var location: ImageLocation
  /// The name in the token file, with `/` between folders.
  var name: String
  /// The index of its class in `ImageInputs.classes`; nil where it has none.
  var label: Int?
  /// Whether it is the file's mirror image.
  var isMirrored = false

  /// What messages call it: the file's path.
  var path: String { location.name }
}

/// Image files to encode, in order, each by the source that it comes from: 12 bytes an image, and its name.
struct ImageInputList: Sendable, RandomAccessCollection {
  /// A path of the command line.
  fileprivate struct Source: Sendable {
    /// The folder's or file's own path, from the root.
    let components: [String]
    /// The images; nil of a file, which is one itself.
    let images: ImageSource?
    /// The path as it was given.
    let path: String
    /// What names begin with.
    var prefix = ""

    /// How many images it stands for.
    var count: Int { images?.files.count ?? 1 }

    /// The path of an image within the folder; empty for a file.
    func inner(_ index: Int) -> String { images?.files[index] ?? "" }

    func location(_ index: Int) -> ImageLocation {
      images?.location(index) ?? ImageLocation(file: path)
    }

    /// The name of an image in the token file.
    func name(_ index: Int) -> String {
      let inner = inner(index)
      return inner.isEmpty ? prefix : prefix.isEmpty ? inner : prefix + "/" + inner
    }
  }

  /// Which image it is, and of which class.
  fileprivate struct Place: Sendable {
    let source: Int32
    let index: Int32
    /// -1 where it has none.
    let label: Int32
  }

  fileprivate var sources: [Source] = []
  fileprivate var places: [Place] = []
  /// Other names than the images' own, where they have such: one for each image.
  fileprivate var names: NameList?
  /// Whether each file is followed by its mirror image.
  fileprivate(set) var hasMirrors = false
  /// Which of the images they are; nil for all.
  private var chosen: [Int32]?

  /// Places of images.
  var startIndex: Int { 0 }
  /// How many there are, mirror images too.
  var endIndex: Int { chosen?.count ?? places.count * (hasMirrors ? 2 : 1) }

  /// An image.
  subscript(index: Int) -> ImageInput {
    let number = chosen.map { Int($0[index]) } ?? index
    let place = places[hasMirrors ? number / 2 : number]
    let source = sources[Int(place.source)]
    let isMirrored = hasMirrors && number % 2 == 1
    let own = source.name(Int(place.index))
    return ImageInput(
      location: source.location(Int(place.index)),
      name: names?[number] ?? (isMirrored ? Self.mirrored(own) : own),
      label: place.label < 0 ? nil : Int(place.label), isMirrored: isMirrored)
  }

  /// The name of an image.
  func name(_ index: Int) -> String {
    let number = chosen.map { Int($0[index]) } ?? index
    if let names { return names[number] }
    guard !hasMirrors else { return self[index].name }
    let place = places[number]
    return sources[Int(place.source)].name(Int(place.index))
  }

  /// How many files they are of.
  var fileCount: Int {
    guard hasMirrors else { return count }
    return chosen?.count { $0 % 2 == 0 } ?? places.count
  }

  /// Some of them, by their places.
  func keeping(_ places: some Sequence<Int>) -> ImageInputList {
    var list = self
    list.chosen = places.map { place in chosen.map { $0[place] } ?? Int32(place) }
    return list
  }

  /// Those whose names are not there.
  func without(_ names: NameSet) -> ImageInputList {
    names.isEmpty ? self : keeping(indices.lazy.filter { !names.contains(name($0)) })
  }

  /// The name of a mirror image: `a.mirrored.png` of `a.png`.
  fileprivate static func mirrored(_ name: String) -> String {
    let ending = ending(of: name)
    return String(name.dropLast(ending.count)) + mark + ending
  }

  /// What the name of the file would be of which an image of this name would be the mirror image.
  fileprivate static func original(_ name: String) -> String? {
    let ending = ending(of: name)
    let stem = name.dropLast(ending.count)
    // A name without an ending may itself end in the mark.
    if stem.hasSuffix(mark) { return String(stem.dropLast(mark.count)) + ending }
    return ending == mark ? String(stem) : nil
  }

  private static let mark = ".mirrored"

  private static func ending(of name: String) -> Substring {
    let last = name.split(separator: "/").last ?? ""
    return last.lastIndex(of: ".").flatMap { $0 == last.startIndex ? nil : last[$0...] } ?? ""
  }
}

/// The image files that paths on a command line stand for.
///
/// A folder stands for all PNG and JPEG files in it, however deep; a list for the images that it names; a
/// shard, a pattern of shards or a folder of them for the images of their samples; any other file for itself, whatever its name ends in. Names: of a single folder, the paths within it; of a single file, its own name. Of
/// several paths, each begins with the last component of what was given (`cats` of `photos/cats`),
/// or with as many components more as it takes to make all names different. A file that is reached
/// in two ways is taken once, by the first. The order is that of the names' bytes.
///
/// The class of an image is the first folder below the one that was given: `cats` for
/// `photos/cats/young/a.png` of `photos`. Images directly in it, and files, have none. That of a sample is
/// what its `.cls` or `.json` says.
struct ImageInputs: Sendable {
  /// The files, in order.
  private(set) var files: ImageInputList
  /// The images' classes, in the order of their bytes; empty where no image has one.
  let classes: [String]
  /// What is wrong with folders that hold no image, where others do, and with folders in them.
  let warnings: [String]
  /// What cannot be used for its name, with the number of images.
  let leftOut: [RejectedImage]
  /// What else the user should know of the folders; see `ImageFolder.notes`.
  let notes: [String]

  private typealias Source = ImageInputList.Source
  private typealias Place = ImageInputList.Place

  /// Lists the images.
  ///
  /// - `hasLabels`: whether images are to have classes.
  /// - `member`: the ending of images in shards; nil for the shortest of PNG and JPEG.
  /// - `listing`: told how far the listing is.
  ///
  /// Errors: a path where there is nothing, a folder that cannot be listed, no image at all; shards that
  /// are missing or damaged.
  init(
    paths: [String], hasLabels: Bool, member: String? = nil,
    listing: @escaping ListingObserver = { _ in }
  ) throws {
    var sources: [Source] = []
    var empty: [DatasetError] = []
    for path in paths {
      var isFolder: ObjCBool = false
      let isThere = FileManager.default.fileExists(atPath: path, isDirectory: &isFolder)
      let isSource = isFolder.boolValue || ImageSource.standsForImages(path)
      guard isThere || isSource else {
        throw Failure(
          .noInput,
          "\(path): expected an image or a folder of images, found nothing at this path. "
            + "Check the path.")
      }
      do throws(DatasetError) {
        let found =
          isSource ? try ImageSource(path: path, member: member, listing: listing) : nil
        sources.append(
          Source(
            components: Self.absolute(found?.folder ?? path).split(separator: "/")
              .map(String.init), images: found, path: path))
      } catch {
        guard case .noImages = error else { throw error }
        empty.append(error)
      }
    }
    if let first = empty.first, sources.isEmpty { throw first }
    let leftOut = sources.flatMap { $0.images?.leftOut ?? [] }
    warnings = empty.map(\.description) + leftOut.filter { $0.imageCount == 0 }.map(\.reason)
    self.leftOut = leftOut.filter { $0.imageCount > 0 }
    notes = sources.flatMap { $0.images?.notes ?? [] }
    var found = Labels()
    var places: [Place] = []
    places.reserveCapacity(sources.reduce(0) { $0 + $1.count })
    // The names of one source differ, but for a list that has one image by two paths.
    let mayRepeat = sources.count > 1 || sources.contains { ImageSource.isList($0.path) }
    var seen = NameSet()
    for (number, source) in sources.enumerated() {
      let whole = "/" + source.components.joined(separator: "/")
      func add(_ index: Int, _ className: String?) {
        if mayRepeat {
          let inner = source.inner(index)
          let absolute =
            inner.isEmpty ? whole : inner.hasPrefix("/") ? inner : whole + "/" + inner
          guard seen.insert(absolute) else { return }
        }
        places.append(
          Place(source: Int32(number), index: Int32(index), label: found.place(of: className)))
      }
      if hasLabels, let images = source.images {
        images.forEachClassName(add)
      } else {
        for index in 0..<source.count { add(index, nil) }
      }
    }
    let names = Array(found.names.names)
    classes =
      hasLabels
      ? ImageSource.classes(
        names, areLabels: empty.isEmpty && sources.allSatisfy { $0.images?.hasLabels ?? false })
      : []
    // By their bytes: two spellings of one letter are two names.
    var labels: [[UInt8]: Int32] = [:]
    for (label, name) in classes.enumerated() { labels[Array(name.utf8)] = Int32(label) }
    let final = names.map { labels[Array($0.utf8)] ?? -1 }
    if final != final.indices.map({ Int32($0) }) {
      for index in places.indices where places[index].label >= 0 {
        let place = places[index]
        places[index] = Place(
          source: place.source, index: place.index, label: final[Int(place.label)])
      }
    }
    files = Self.named(sources, places, isAlone: paths.count == 1, isWhole: empty.isEmpty)
  }

  /// Classes as they are met.
  private struct Labels {
    var names = NameSet()
    private var last: (name: String, place: Int32)?

    /// The place of a class among those that were met; -1 of none.
    mutating func place(of name: String?) -> Int32 {
      guard let name else { return -1 }
      if let last, last.name.utf8.elementsEqual(name.utf8) { return last.place }
      names.insert(name)
      let place = Int32(names.place(of: name) ?? -1)
      last = (name, place)
      return place
    }
  }

  /// How many files there are, mirror images not counted.
  var fileCount: Int { files.fileCount }

  /// Keeps one share of the files, each with its mirror image where there are such.
  mutating func keep(_ range: Range<Int>) {
    let images = files.hasMirrors ? 2 : 1
    files = files.keeping(range.lowerBound * images..<range.upperBound * images)
  }

  /// Gives the images other names.
  mutating func rename(_ names: NameList) { files.names = names }

  /// Puts each file's mirror image behind it: `a.mirrored.png` behind `a.png`.
  ///
  /// Errors: a file that has such a name itself.
  mutating func addMirrors() throws {
    for index in files.indices {
      let name = files.name(index)
      guard let original = ImageInputList.original(name), holds(original) else { continue }
      throw Failure(
        .badData,
        "\(name): the mirror image of \(original) would have the same name. Rename the file, "
          + "or leave out --flip.")
    }
    files.hasMirrors = true
  }

  /// Whether there is a file of a name.
  private func holds(_ name: String) -> Bool {
    var (low, high) = (0, files.count)
    while low < high {
      let middle = (low + high) / 2
      let other = files.name(middle)
      if other.utf8.elementsEqual(name.utf8) { return true }
      if other.utf8.lexicographicallyPrecedes(name.utf8) { low = middle + 1 } else { high = middle }
    }
    return false
  }

  /// Takes as few leading components as make all names different.
  ///
  /// - `isAlone`: whether there is but one path.
  /// - `isWhole`: whether all paths stand for images.
  private static func named(
    _ given: [Source], _ places: [Place], isAlone: Bool, isWhole: Bool
  ) -> ImageInputList {
    var list = ImageInputList()
    (list.sources, list.places) = (given, places)
    // The names of one source are in order, and differ.
    if isAlone, given[0].images != nil { return list }
    let deepest = given.map(\.components.count).max() ?? 0
    // Shards have their own names in the images'.
    let needsNone = isWhole && given.allSatisfy { $0.images?.isSharded ?? false }
    for depth in (needsNone ? 0 : 1)...max(1, deepest) {
      for index in given.indices {
        list.sources[index].prefix = given[index].components.suffix(depth).joined(separator: "/")
      }
      let names = NameList(list.indices.lazy.map { list.name($0) })
      guard names.firstRepeated == nil || depth >= deepest else { continue }
      list.places = names.order.map { places[Int($0)] }
      return list
    }
    return list
  }

  /// The path from the root, without `.` and `..`; links stay as they are.
  private static func absolute(_ path: String) -> String {
    URL(fileURLWithPath: path).standardizedFileURL.path
  }
}

// MARK: - Reading ahead

/// Images in order, read and prepared by threads of its own while others compute.
///
/// At most a portion of images lies ready at a time. What cannot be read comes as its
/// error, at its place. Where there are no threads to be had, images are read when they are asked for.
final class ImageStream: @unchecked Sendable {
  // Unchecked: the condition guards everything that changes.

  /// One image, or what is wrong with it.
  struct Item: Sendable {
    /// The file.
    let input: ImageInput
    /// The result.
    let result: Result<PreparedImage, any Error>

    /// The pixels that it keeps in memory, as portions count them.
    let pixels: Int
  }

  private let inputs: ImageInputList
  private let preparation: Preparation
  private let limit: PortionLimit

  private let condition = NSCondition()
  private var ready: [Int: Item] = [:]
  private var readyPixels = 0
  private var nextToRead = 0
  private var nextToTake = 0
  private var isStopped = false
  private var readers = 0

  /// Starts to read.
  init(_ inputs: ImageInputList, _ preparation: Preparation, threads: Int) {
    self.inputs = inputs
    self.preparation = preparation
    limit = PortionLimit(threads: threads)
    for number in 0..<max(1, min(threads, inputs.count)) {
      guard WorkerThread.start("reader \(number)", { [self] in readAhead() }) else { break }
      readers += 1
    }
  }

  /// The next images, in order: as many as the limit allows; none at the end.
  func next() -> [Item] {
    var portion: [Item] = []
    var pixels = 0
    condition.lock()
    defer { condition.unlock() }
    while nextToTake < inputs.count {
      if readers == 0, ready[nextToTake] == nil { keep(read(inputs[nextToTake]), at: nextToTake) }
      guard let item = ready[nextToTake] else {
        condition.wait()
        continue
      }
      guard limit.admits(item.pixels, to: portion.count, pixels: pixels) else { break }
      ready[nextToTake] = nil
      nextToTake += 1
      pixels += item.pixels
      readyPixels -= item.pixels
      portion.append(item)
      condition.broadcast()
    }
    return portion
  }

  /// Lets the threads end; nothing comes any more.
  func stop() {
    condition.lock()
    isStopped = true
    condition.broadcast()
    condition.unlock()
  }

  private func readAhead() {
    while let index = claim() {
      let item = read(inputs[index])
      condition.lock()
      keep(item, at: index)
      condition.broadcast()
      condition.unlock()
    }
  }

  private func keep(_ item: Item, at index: Int) {
    ready[index] = item
    readyPixels += item.pixels
  }

  /// The next image to read, once there is room; nil when there is none.
  private func claim() -> Int? {
    condition.lock()
    defer { condition.unlock() }
    while true {
      if isStopped || nextToRead >= inputs.count { return nil }
      let ahead = nextToRead - nextToTake
      // The next image in order may always be read; otherwise one above the limit would deadlock.
      if limit.admits(0, to: ahead, pixels: readyPixels) {
        nextToRead += 1
        return nextToRead - 1
      }
      condition.wait()
    }
  }

  private func read(_ input: ImageInput) -> Item {
    let result = Result { try preparation.read(input.location, isMirrored: input.isMirrored) }
    let pixels = (try? result.get()).map { $0.image.width * $0.image.height } ?? 0
    return Item(input: input, result: result, pixels: PortionLimit.counted(pixels))
  }
}
