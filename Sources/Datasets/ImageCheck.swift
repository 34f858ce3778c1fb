import Files
import Imaging
import Synchronization
import Threads

/// Looks at every image of a source when a data set is opened, on all cores.
///
/// Of each image the header is read. As long as the images seen so far have room in memory, the image is
/// decoded at once, so that nothing is read twice; beyond that headers are all. Where an index of an earlier
/// run shows that not all have room, images whose files are as they were then are not even opened.
struct ImageCheck: Sendable {
  let source: ImageSource
  let augmentation: Augmentation
  let decoder: ImageDecoder
  /// What was known before.
  let known: ImageIndex?

  /// What is known of the images.
  struct Outcome: Sendable {
    /// Decoded images, by their places.
    var images: [Int: Image]
    /// What is wrong with those that cannot be used.
    var failures: [Int: DatasetError]
    /// What the headers say; `none` of those that cannot be used.
    var entries: [ImageIndex.Entry]
    /// Images that are damaged but usable, and how, in the source's order.
    var doubtful: [RejectedImage] = []
    /// Images whose bytes are others than before, in the source's order.
    var changed: [Int] = []
    /// How many of the images that can be used may have transparent pixels.
    var transparentCount = 0
  }

  private struct State {
    var images: [Int: Image] = [:]
    var failures: [Int: DatasetError] = [:]
    var entries: [ImageIndex.Entry]
    /// What is wrong with images whose header is good but whose pixels could not be decoded.
    var damaged: [Int: DatasetError] = [:]
    var doubts: [Int: String] = [:]
    var bytes = 0
    var done = 0
  }

  /// Looks at all images.
  ///
  /// Damage behind a header counts only if all images have room: whether it was met is a matter of
  /// timing otherwise, and which files a run is trained on must not be.
  func run(
    byteLimit: Int, progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void
  ) -> Outcome {
    let count = source.files.count
    let before = Before(known, source.files)
    let needsNoPixels = bytes(of: before) > byteLimit
    let state = Mutex(State(entries: Array(repeating: .none, count: count)))
    concurrently(count) { index in
      do throws(DatasetError) {
        if needsNoPixels, let entry = before[index], source.version(index) == entry.version {
          let bytes = try preparedBytes(entry, source.fullPath(source.files[index]))
          state.withLock { state in
            state.bytes += bytes
            state.entries[index] = entry
          }
        } else {
          let file = try open(source.location(index))
          let entry = ImageIndex.Entry(file)
          let bytes = try preparedBytes(entry, file.path)
          let hasRoom = state.withLock { state in
            state.bytes += bytes
            state.entries[index] = entry
            return state.bytes <= byteLimit
          }
          if hasRoom { decode(file, index, state) }
        }
      } catch {
        state.withLock { $0.failures[index] = error }
      }
      state.withLock { state in
        state.done += 1
        progress(state.done, count)
      }
    }
    return outcome(state.withLock { $0 }, before, byteLimit)
  }

  private func outcome(
    _ state: consuming State, _ before: Before, _ byteLimit: Int
  ) -> Outcome {
    if state.bytes <= byteLimit {
      for (index, error) in state.damaged {
        state.failures[index] = error
        state.entries[index] = .none
      }
    }
    let doubtful = state.doubts.sorted { $0.key < $1.key }.map { index, doubt in
      let file = source.files[index]
      return RejectedImage(file: file, reason: "\(source.fullPath(file)): \(doubt)")
    }
    let entries = state.entries
    let changed = before.places.indices.filter { index in
      guard !entries[index].isNone, let before = before[index] else { return false }
      return !entries[index].hasContents(of: before)
    }
    return Outcome(
      images: state.images, failures: state.failures, entries: entries, doubtful: doubtful,
      changed: changed, transparentCount: entries.count { $0.hasTransparency })
  }

  private func decode(_ file: ImageFile, _ index: Int, _ state: borrowing Mutex<State>) {
    do throws(DatasetError) {
      let (image, doubt) = try ImageStore.decodeNoting(file, augmentation: augmentation)
      state.withLock { state in
        state.images[index] = image
        state.doubts[index] = doubt
      }
    } catch {
      state.withLock { $0.damaged[index] = error }
    }
  }

  private func open(_ location: ImageLocation) throws(DatasetError) -> ImageFile {
    do throws(ImageError) { return try decoder.open(location) } catch { throw .image(error) }
  }

  /// How many bytes the prepared image will take.
  private func preparedBytes(
    _ entry: ImageIndex.Entry, _ path: String
  ) throws(DatasetError) -> Int {
    let size = try augmentation.preparedSize(
      width: Int(entry.width), height: entry.height, file: path)
    return size.width * size.height * 3
  }

  /// How many bytes all known images take that can be used.
  private func bytes(of known: Before) -> Int {
    var bytes = 0
    for index in known.places.indices {
      if let entry = known[index] { bytes += (try? preparedBytes(entry, "")) ?? 0 }
    }
    return bytes
  }

  /// What was known of the images before.
  private struct Before: Sendable {
    let known: ImageIndex?
    /// Where the images are in the index; -1 where they are not.
    let places: [Int32]

    init(_ known: ImageIndex?, _ files: NameList) {
      self.known = known
      places = known?.places(for: files) ?? []
    }

    subscript(index: Int) -> ImageIndex.Entry? {
      guard let known, places[index] >= 0 else { return nil }
      return known.entries[Int(places[index])]
    }
  }
}

extension ImageIndex.Entry {
  /// What an open file tells.
  fileprivate init(_ file: ImageFile) {
    let (version, header) = (file.version, file.header)
    self.init(
      byteCount: version.byteCount, modified: version.modified, head: file.head,
      width: Int32(clamping: header.width),
      signedHeight: Int32(clamping: header.hasTransparency ? -header.height : header.height))
  }
}

/// Which images of a set are bad, and why; learned as they are met, from any thread.
public final class ImageDamage: Sendable {
  /// An image that cannot be used.
  public struct Entry: Sendable, Equatable {
    /// Its number in the set.
    public let index: Int
    /// What is wrong, and what to do; begins with the full path.
    public let reason: String
  }

  /// How many may be bad; nil for half of all.
  let limit: Int?

  private let folder: String
  private let count: Int
  private let reasons = Mutex<[Int: String]>([:])

  /// No damage among so many images of a folder.
  init(folder: String, count: Int, limit: Int? = nil) {
    (self.folder, self.count, self.limit) = (folder, count, limit)
  }

  /// Whether an image is known to be bad.
  public func contains(_ index: Int) -> Bool { reasons.withLock { $0[index] != nil } }

  /// Whether none is known to be bad.
  public var isEmpty: Bool { reasons.withLock { $0.isEmpty } }

  /// What is known, in the order of the set.
  public var entries: [Entry] {
    reasons.withLock { $0.map { Entry(index: $0.key, reason: $0.value) } }
      .sorted { $0.index < $1.index }
  }

  /// Why an image is bad; nil where it is not.
  public subscript(index: Int) -> String? { reasons.withLock { $0[index] } }

  /// Takes in that an image is bad.
  ///
  /// - Throws: `aboveDamagedLimit` if that makes more than the limit, `tooManyDamaged` without one if it makes
  ///   more than half of all.
  package func add(_ index: Int, reason: String) throws(DatasetError) {
    let bad = reasons.withLock { reasons in
      if reasons[index] == nil { reasons[index] = reason }
      return reasons.count
    }
    if bad > limit ?? count / 2 { throw tooMany }
  }

  /// The error if too few images are good to continue.
  var tooMany: DatasetError {
    let entries = entries
    let first = entries.first?.reason ?? ""
    if let limit, entries.count < count {
      return .aboveDamagedLimit(
        path: folder, damaged: entries.count, limit: limit, first: first)
    }
    return .tooManyDamaged(path: folder, damaged: entries.count, count: count, first: first)
  }
}
