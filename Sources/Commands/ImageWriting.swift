import Files
import Foundation
import Imaging
import Synchronization
import Threads

/// Writes images to files in threads of its own, one portion while the next one is computed.
///
/// Files are not forced onto the disk one by one: they can be made again from their tokens.
final class ImageWriting: Sendable {
  /// An image and where it goes.
  typealias File = (path: String, image: Image)

  private let format: ImageFormat
  private let quality: Int
  private let threads: Int
  private let work = BackgroundWork("writer")
  private let failure = Mutex<(any Error)?>(nil)
  /// Folders that are there for certain.
  private let made = Mutex<Set<[UInt8]>>([])

  /// Prepares to write in a format; `quality` is JPEG's, 1...100.
  init(as format: ImageFormat, quality: Int, threads: Int) {
    self.format = format
    self.quality = quality
    self.threads = threads
  }

  /// Begins to write a portion, once the one before is on the disk.
  ///
  /// Errors: a file of the portion before that could not be written.
  func write(_ files: [File]) throws {
    try finish()
    work.start { [self] in
      concurrently(files.count, threads: threads) { [self] index in
        guard failure.withLock({ $0 == nil }) else { return }
        do { try write(files[index]) } catch { failure.withLock { $0 = $0 ?? error } }
      }
    }
  }

  /// Waits until everything is on the disk.
  ///
  /// Errors: a file that could not be written.
  func finish() throws {
    work.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  private func write(_ file: File) throws {
    try makeFolder(of: file.path)
    try ImageEncoder().write(
      file.image, to: file.path, as: format, quality: quality, isDurable: false)
  }

  private func makeFolder(of path: String) throws {
    guard let slash = path.utf8.lastIndex(of: UInt8(ascii: "/")) else { return }
    let folder = String(path[..<slash])
    let key = Array(folder.utf8)
    guard !made.withLock({ $0.contains(key) }) else { return }
    do throws(FileError) {
      try Folder.make(folder)
    } catch {
      throw Failure(cannotMakeFolder: folder, error)
    }
    _ = made.withLock { $0.insert(key) }
  }
}

extension Failure {
  /// A folder for images that cannot be made.
  init(cannotMakeFolder folder: String, _ error: FileError) {
    self.init(
      .cannotCreate,
      "\(folder): the folder cannot be created: \(error.inWords). Choose another --output.")
  }
}
