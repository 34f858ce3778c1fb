import Datasets
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
struct ImageInputs: Sendable, Equatable {
  /// The files, in order.
  private(set) var files: [ImageInput]
  /// The images' classes, in the order of their bytes; empty where no image has one.
  let classes: [String]
  /// What is wrong with folders that hold no image, where others do, and with folders in them.
  let warnings: [String]
  /// What cannot be used for its name, with the number of images.
  let leftOut: [RejectedImage]
  /// What else the user should know of the folders; see `ImageFolder.notes`.
  let notes: [String]

  /// Whether each file is followed by its mirror image.
  private var hasMirrors = false

  /// A path of the command line.
  private struct Source {
    /// The folder's or file's own path, from the root.
    let components: [String]
    /// Whether it stands for shards.
    var isSharded = false
    /// Whether its images have labels of their own.
    var hasLabels = false
    /// The images: where they are, the path within the folder, empty for a file, and the class.
    var files: [(location: ImageLocation, inner: String, className: String?)] = []
  }

  /// Lists the images.
  ///
  /// - `hasLabels`: whether images are to have classes.
  /// - `member`: the ending of images in shards; nil for the shortest of PNG and JPEG.
  ///
  /// Errors: a path where there is nothing, a folder that cannot be listed, no image at all; shards that
  /// are missing or damaged.
  init(paths: [String], hasLabels: Bool, member: String? = nil) throws {
    var sources: [Source] = []
    var empty: [DatasetError] = []
    var leftOut: [RejectedImage] = []
    var notes: [String] = []
    var seen: Set<[UInt8]> = []
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
      var source = Source(components: [])
      do throws(DatasetError) {
        let found = isSource ? try ImageSource(path: path, member: member) : nil
        let whole = Self.absolute(found?.folder ?? path)
        source = Source(
          components: whole.split(separator: "/").map(String.init),
          isSharded: found?.isSharded ?? false, hasLabels: found?.hasLabels ?? false)
        leftOut += found?.leftOut ?? []
        notes += found?.notes ?? []
        for (index, inner) in (found?.files ?? [""]).enumerated() {
          let absolute =
            inner.isEmpty ? whole : inner.hasPrefix("/") ? inner : whole + "/" + inner
          if seen.insert(Array(absolute.utf8)).inserted {
            source.files.append(
              (
                found?.location(index) ?? ImageLocation(file: path), inner,
                hasLabels ? found?.className(index) : nil
              ))
          }
        }
      } catch {
        guard case .noImages = error else { throw error }
        empty.append(error)
      }
      sources.append(source)
    }
    if let first = empty.first, sources.allSatisfy({ $0.files.isEmpty }) { throw first }
    classes = hasLabels ? Self.classes(of: sources) : []
    files = Self.named(sources, classes)
    warnings = empty.map(\.description) + leftOut.filter { $0.imageCount == 0 }.map(\.reason)
    self.leftOut = leftOut.filter { $0.imageCount > 0 }
    self.notes = notes
  }

  /// How many files there are, mirror images not counted.
  var fileCount: Int { files.count { !$0.isMirrored } }

  /// Keeps one share of the files, each with its mirror image where there are such.
  mutating func keep(_ range: Range<Int>) {
    let images = hasMirrors ? 2 : 1
    files = Array(files[range.lowerBound * images..<range.upperBound * images])
  }

  /// Gives the images other names.
  mutating func rename(_ names: [String]) {
    for (index, name) in names.enumerated() { files[index].name = name }
  }

  /// Puts each file's mirror image behind it: `a.mirrored.png` behind `a.png`.
  ///
  /// Errors: a file that has such a name itself.
  mutating func addMirrors() throws {
    hasMirrors = true
    let names = Set(files.map { Array($0.name.utf8) })
    files = try files.flatMap { file in
      var mirror = file
      mirror.isMirrored = true
      let name = file.name.split(separator: "/").last ?? ""
      let ending =
        name.lastIndex(of: ".").flatMap { $0 == name.startIndex ? nil : name[$0...] } ?? ""
      mirror.name = file.name.dropLast(ending.count) + ".mirrored" + ending
      guard !names.contains(Array(mirror.name.utf8)) else {
        throw Failure(
          .badData,
          "\(mirror.name): the mirror image of \(file.name) would have the same name. Rename the file, "
            + "or leave out --flip.")
      }
      return [file, mirror]
    }
  }

  /// Takes as few leading components as make all names different.
  private static func named(_ sources: [Source], _ classes: [String]) -> [ImageInput] {
    var labels: [[UInt8]: Int] = [:]
    for (label, name) in classes.enumerated() { labels[Array(name.utf8)] = label }
    let deepest = sources.map(\.components.count).max() ?? 0
    let isSingleFolder = sources.count == 1 && sources[0].files.first?.inner != ""
    // Shards have their own names in the images'.
    let needsNone = isSingleFolder || sources.allSatisfy(\.isSharded)
    for depth in (needsNone ? 0 : 1)...max(1, deepest) {
      let files = sources.flatMap { source in
        source.files.map { file in
          let leading = source.components.suffix(depth)
          let inner = file.inner.isEmpty ? [] : [file.inner]
          return ImageInput(
            location: file.location, name: (leading + inner).joined(separator: "/"),
            label: file.className.flatMap { labels[Array($0.utf8)] })
        }
      }
      let names = Set(files.map { Array($0.name.utf8) })
      guard names.count == files.count || depth >= deepest else { continue }
      return files.sorted { $0.name.utf8.lexicographicallyPrecedes($1.name.utf8) }
    }
    return []
  }

  /// The classes of all images, each once.
  private static func classes(of sources: [Source]) -> [String] {
    // By their bytes: two spellings of one letter are two names.
    var names: [[UInt8]: String] = [:]
    for source in sources {
      for case let name? in source.files.map(\.className) { names[Array(name.utf8)] = name }
    }
    return ImageSource.classes(
      Array(names.values), areLabels: sources.allSatisfy(\.hasLabels))
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

  private let inputs: [ImageInput]
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
  init(_ inputs: [ImageInput], _ preparation: Preparation, threads: Int) {
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
