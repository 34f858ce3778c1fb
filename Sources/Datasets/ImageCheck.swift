import Imaging
import Synchronization
import Threads

/// Looks at every file of a folder when a data set is opened: headers first, then the pixels if
/// memory has room for all of them.
struct ImageCheck: Sendable {
  let folder: ImageFolder
  let augmentation: Augmentation
  let decoder: ImageDecoder

  /// What is known of a file: the decoded image, nil if only its header was read, or what is wrong.
  typealias Found = Result<Image?, DatasetError>

  private struct State {
    var found: [Found]
    var bytes = 0
    var done = 0
  }

  func run(
    byteLimit: Int, progress: @escaping @Sendable (_ done: Int, _ all: Int) -> Void
  ) -> [Found] {
    let count = folder.files.count
    let state = Mutex(State(found: Array(repeating: .success(nil), count: count)))
    concurrently(count) { index in
      let size = Result { () throws(DatasetError) in try header(index) }
      state.withLock { state in
        switch size {
        case .success(let bytes): state.bytes += bytes
        case .failure(let error): state.found[index] = .failure(error)
        }
      }
    }
    guard state.withLock({ $0.bytes <= byteLimit }) else {
      progress(count, count)
      return state.withLock { $0.found }
    }
    concurrently(count) { index in
      let isGood = state.withLock { if case .success = $0.found[index] { true } else { false } }
      let path = folder.fullPath(folder.files[index])
      let image = Result { () throws(DatasetError) in
        isGood
          ? try ImageStore.read(path, decoder: decoder, augmentation: augmentation) : nil
      }
      state.withLock { state in
        if isGood { state.found[index] = image }
        state.done += 1
        progress(state.done, count)
      }
    }
    return state.withLock { $0.found }
  }

  /// How many bytes the image will take, from its header.
  private func header(_ index: Int) throws(DatasetError) -> Int {
    let path = folder.fullPath(folder.files[index])
    let size: (width: Int, height: Int)
    do throws(ImageError) {
      size = try decoder.readSize(path)
    } catch {
      throw .image(error)
    }
    let prepared = try augmentation.preparedSize(
      width: size.width, height: size.height, file: path)
    return prepared.width * prepared.height * 3
  }
}
