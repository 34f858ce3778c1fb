/// The right to write into a folder, which one process has at a time.
///
/// A ``FileLock`` on the file `.lock` in the folder, which holds the owner's process number, to be told
/// to whoever comes second.
///
/// On a network file system it keeps other machines out where locks work there at all (NFS 4, or 3
/// with its lock service). Where the file system knows no locks, the folder is used without one.
public final class FolderLock {
  /// Why a lock cannot be had.
  public enum Failure: Error, Equatable, Sendable {
    /// Another process has it; its number, where that can be read.
    case held(by: Int?)
    /// The lock's file cannot be made.
    case file(FileError)
  }

  /// The file's name within the folder.
  public static let fileName = ".lock"

  /// The folder.
  public let folder: String

  private var lock: FileLock?

  /// Takes the lock of a folder that exists, or fails at once.
  public init(folder: String) throws(Failure) {
    self.folder = folder
    let path = folder + "/" + Self.fileName
    do {
      lock = try FileLock(path: path)
    } catch {
      throw error.reason == .busy ? .held(by: FileLock.owner(path: path)) : .file(error)
    }
    lock?.writeOwner()
  }

  /// Gives the lock back and removes its file; harmless when it was given back before.
  public func release() { lock = nil }
}
