import Imaging
import Synchronization
import Threads

/// Looks at every image of a source when a data set is opened, on all cores.
///
/// Of each file the header is read. As long as the images seen so far have room in memory, the file is
/// decoded at once, so that nothing is read twice; beyond that headers are all.
struct ImageCheck: Sendable {
  let source: ImageSource
  let augmentation: Augmentation
  let decoder: ImageDecoder

  /// What is known of the files.
  struct Outcome: Sendable {
    /// For each file: the decoded image, nil if only its header was read, or what is wrong.
    var found: [Found]
    /// Files that are damaged but usable, and how, in the source's order.
    var doubtful: [RejectedImage] = []
    /// How many of the files that can be used may have transparent pixels.
    var transparentCount = 0
  }

  /// What is known of a file.
  typealias Found = Result<Image?, DatasetError>

  private struct State {
    var found: [Found]
    /// Files whose header is good but whose pixels could not be decoded.
    var damaged: [(index: Int, error: DatasetError)] = []
    var doubts: [Int: String] = [:]
    var transparent: Set<Int> = []
    var bytes = 0
    var done = 0
  }

  /// Looks at all files.
  ///
  /// Damage behind a header counts only if all images have room: whether it was met is a matter of
  /// timing otherwise, and which files a run is trained on must not be.
  func run(
    byteLimit: Int, progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void
  ) -> Outcome {
    let count = source.files.count
    let state = Mutex(State(found: Array(repeating: .success(nil), count: count)))
    concurrently(count) { index in
      do throws(DatasetError) {
        let (file, bytes) = try open(source.location(index))
        let hasRoom = state.withLock { state in
          state.bytes += bytes
          if file.header.hasTransparency { state.transparent.insert(index) }
          return state.bytes <= byteLimit
        }
        if hasRoom { decode(file, index, state) }
      } catch {
        state.withLock { $0.found[index] = .failure(error) }
      }
      state.withLock { state in
        state.done += 1
        progress(state.done, count)
      }
    }
    return state.withLock { state in
      if state.bytes <= byteLimit {
        for file in state.damaged {
          state.found[file.index] = .failure(file.error)
          state.transparent.remove(file.index)
        }
      }
      let doubtful = state.doubts.sorted { $0.key < $1.key }.map { index, doubt in
        let file = source.files[index]
        return RejectedImage(file: file, reason: "\(source.fullPath(file)): \(doubt)")
      }
      return Outcome(
        found: state.found, doubtful: doubtful, transparentCount: state.transparent.count)
    }
  }

  private func decode(_ file: ImageFile, _ index: Int, _ state: borrowing Mutex<State>) {
    do throws(DatasetError) {
      let (image, doubt) = try ImageStore.decodeNoting(file, augmentation: augmentation)
      state.withLock { state in
        state.found[index] = .success(image)
        state.doubts[index] = doubt
      }
    } catch {
      state.withLock { $0.damaged.append((index, error)) }
    }
  }

  /// Opens a file; also says how many bytes the prepared image will take.
  private func open(
    _ location: ImageLocation
  ) throws(DatasetError) -> (file: ImageFile, bytes: Int) {
    let file: ImageFile
    do throws(ImageError) {
      file = try decoder.open(location)
    } catch {
      throw .image(error)
    }
    let prepared = try augmentation.preparedSize(
      width: file.header.width, height: file.header.height, file: location.name)
    return (file, prepared.width * prepared.height * 3)
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

  private let folder: String
  private let count: Int
  private let reasons = Mutex<[Int: String]>([:])

  /// No damage among so many images of a folder.
  init(folder: String, count: Int) {
    self.folder = folder
    self.count = count
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
  /// - Throws: `tooManyDamaged` if that makes more than half of all.
  func add(_ index: Int, reason: String) throws(DatasetError) {
    let bad = reasons.withLock { reasons in
      if reasons[index] == nil { reasons[index] = reason }
      return reasons.count
    }
    if 2 * bad > count { throw tooMany }
  }

  /// The error if too few images are good to continue.
  var tooMany: DatasetError {
    let entries = entries
    return .tooManyDamaged(
      path: folder, damaged: entries.count, count: count, first: entries.first?.reason ?? "")
  }
}
