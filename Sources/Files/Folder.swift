#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Folders of the file system.
public enum Folder {
  /// Creates a folder and its parents if they are missing.
  ///
  /// - Throws: a ``FileError`` that names the first folder that cannot be made.
  public static func make(_ path: String) throws(FileError) {
    let code = attempt(path)
    guard code != 0 else { return }
    guard code == ENOENT, let parent = parent(of: path) else {
      throw FileError(.write, path, .system(code))
    }
    try make(parent)
    let second = attempt(path)
    guard second == 0 else { throw FileError(.write, path, .system(second)) }
  }

  /// Makes one folder: 0, also where it is there already, or an `errno`.
  private static func attempt(_ path: String) -> Int32 {
    guard mkdir(path, 0o777) != 0 else { return 0 }
    let code = errno
    guard code == EEXIST else { return code }
    return isFolder(path) ? 0 : ENOTDIR
  }

  /// Whether a folder, or a link to one, is at a path.
  public static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// The folder that a path lies in; nil where its text names none.
  private static func parent(of path: String) -> String? {
    var bytes = Array(path.utf8)
    while bytes.last == UInt8(ascii: "/") { bytes.removeLast() }
    guard let slash = bytes.lastIndex(of: UInt8(ascii: "/")), slash > 0 else { return nil }
    return String(decoding: bytes[..<slash], as: UTF8.self)
  }
}

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// One process at a time: holds a lock file for as long as it lives.
///
/// The lock is the system's (`flock`) and ends with the process, however that ends; the empty file
/// that a killed process leaves does not block others.
public final class FileLock: Sendable {
  /// The lock file.
  public let path: String

  private let descriptor: Int32

  /// Takes the lock, or fails at once with `.busy` where another process has it.
  public init(path: String) throws(FileError) {
    self.path = path
    while true {
      let descriptor = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0o666)
      guard descriptor >= 0 else { throw FileError(.write, path, .system(errno)) }
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        close(descriptor)
        throw FileError(.write, path, .busy)
      }
      // Its former owner may have removed it between open and lock: then it locks nothing.
      var mine = stat()
      var there = stat()
      if fstat(descriptor, &mine) == 0, stat(path, &there) == 0, mine.st_ino == there.st_ino,
        mine.st_dev == there.st_dev
      {
        self.descriptor = descriptor
        return
      }
      close(descriptor)
    }
  }

  /// Writes this process's number into the lock file, for ``owner(path:)`` in others.
  func writeOwner() {
    _ = ftruncate(descriptor, 0)
    // Only told to people: whether it can be written does not matter.
    let number = Array("\(getpid())\n".utf8)
    _ = number.withUnsafeBytes { SystemCalls.real.writeAll($0, to: descriptor) }
  }

  /// The process number in a lock file; nil where none can be read.
  static func owner(path: String) -> Int? {
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK)
    guard descriptor >= 0 else { return nil }
    defer { close(descriptor) }
    var bytes = [UInt8](repeating: 0, count: 20)
    let count = bytes.withUnsafeMutableBytes { pread(descriptor, $0.baseAddress, $0.count, 0) }
    guard count > 0 else { return nil }
    return Int(String(decoding: bytes[..<count].prefix { $0 != 10 }, as: UTF8.self))
  }

  deinit {
    // Removed while still locked, so that it cannot be another's.
    unlink(path)
    close(descriptor)
  }
}

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
