#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// The right to write into a folder, which one process has at a time.
///
/// An exclusive flock(2) on the file `.lock` in the folder. The kernel gives it back when the process
/// ends, however it ends, so that a lock never outlives its owner; the file may, and is taken over by
/// the next one. It holds the owner's process number, to be told to whoever comes second.
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

  private let path: String
  private var descriptor: Int32

  /// Takes the lock of a folder that exists, or fails at once.
  public init(folder: String) throws(Failure) {
    self.folder = folder
    path = folder + "/" + Self.fileName
    descriptor = try Self.take(path)
    _ = ftruncate(descriptor, 0)
    // Only told to people: whether it can be written does not matter.
    let number = Array("\(getpid())\n".utf8)
    _ = number.withUnsafeBytes { SystemCalls.real.writeAll($0, to: descriptor) }
  }

  deinit { release() }

  /// Gives the lock back and removes its file; harmless when it was given back before.
  public func release() {
    guard descriptor >= 0 else { return }
    // Removed while still locked, so that it cannot be another owner's.
    unlink(path)
    close(descriptor)
    descriptor = -1
  }

  private static func take(_ path: String) throws(Failure) -> Int32 {
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard descriptor >= 0 else { throw .file(FileError(.write, path, .system(errno))) }
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        let owner = owner(descriptor)
        close(descriptor)
        throw .held(by: owner)
      }
      // Between open and lock its former owner may have removed it: then another one is needed.
      var (mine, there) = (stat(), stat())
      if fstat(descriptor, &mine) == 0, stat(path, &there) == 0,
        mine.st_ino == there.st_ino, mine.st_dev == there.st_dev
      {
        return descriptor
      }
      close(descriptor)
    }
  }

  /// The process number in a lock's file.
  private static func owner(_ descriptor: Int32) -> Int? {
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count > 0 else { return nil }
    return Int(String(decoding: bytes[..<count].prefix { $0 != 10 }, as: UTF8.self))
  }
}
