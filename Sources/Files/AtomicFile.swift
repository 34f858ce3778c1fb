#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file that appears whole or not at all.
///
/// Bytes go to `NAME.partial` beside the target; `finish()` forces them onto the disk, renames the
/// file over the target and forces the folder too. Whatever happens before the rename - a crash, a
/// full disk, a lost machine - leaves the previous file as it was. A failure, `cancel()` or the end
/// of the object's life removes the partial file; what a killed process left, the next writer of the
/// same target overwrites. Two writers of one target at once: the second gets `.busy`.
///
/// A symbolic link is followed: the file behind it is replaced, the link stays. The permissions of a
/// file that is replaced are kept.
///
/// With `isDurable` false nothing is forced onto the disk: a killed process still leaves the old file
/// or the new one, whole, but a lost machine may take the new one with it. For what can be made again.
/// The partial file is hidden then (`.NAME.partial`).
public final class AtomicFile {
  /// The target, as its user named it.
  public let path: String
  /// Bytes appended so far.
  public private(set) var byteCount = 0

  /// Whether the new file is at the target.
  public private(set) var isInPlace = false
  /// The partial file: where the bytes are until `finish()`.
  public let partial: String

  private let target: String
  private let isDurable: Bool
  private let calls: SystemCalls
  private var descriptor: Int32
  private var buffer: [UInt8] = []
  private var failure: FileError?
  /// Whether all that was appended is on the disk.
  private var isSynced = false

  /// Small appends are gathered up to this size, so that memory is bounded and calls are few.
  private static let bufferSize = 1 << 18

  /// Opens a partial file beside `path`; the folder must exist.
  public init(path: String, isDurable: Bool = true) throws(FileError) {
    self.path = path
    self.isDurable = isDurable
    target = Self.behindLinks(path)
    partial = Self.partial(of: target, isHidden: !isDurable)
    calls = SystemCalls.current
    descriptor = -1

    var previous = stat()
    let exists = stat(target, &previous) == 0
    if exists {
      guard previous.st_mode & S_IFMT == S_IFREG else {
        throw FileError(.write, path, .notARegularFile)
      }
      guard access(target, W_OK) == 0 else { throw FileError(.write, path, .system(errno)) }
    } else if path.isEmpty || path.hasSuffix("/") {
      throw FileError(.write, path, .notARegularFile)
    }
    descriptor = try Self.openAlone(partial, named: path)
    guard ftruncate(descriptor, 0) == 0 else { throw fail(errno) }
    if exists, fchmod(descriptor, previous.st_mode & 0o7777) != 0 { throw fail(errno) }
  }

  deinit { cancel() }

  /// Adds bytes at the end.
  public func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    if let failure { throw failure }
    precondition(descriptor >= 0, "append to an AtomicFile after finish or cancel")
    byteCount += bytes.count
    isSynced = false
    if buffer.count + bytes.count <= Self.bufferSize {
      buffer.append(contentsOf: bytes)
      return
    }
    try flush()
    if bytes.count <= Self.bufferSize {
      buffer.append(contentsOf: bytes)
    } else {
      let code = calls.writeAll(bytes, to: descriptor)
      if code != 0 { throw fail(code) }
    }
  }

  /// Adds bytes at the end.
  public func append(_ bytes: [UInt8]) throws(FileError) {
    let result = bytes.withUnsafeBytes { pointer in
      Result { () throws(FileError) in try append(pointer) }
    }
    try result.get()
  }

  /// Forces what was appended onto the disk, so that little is left in `finish()` that can fail.
  ///
  /// For files that must appear together: sync all of them first, then finish each.
  public func sync() throws(FileError) {
    if let failure { throw failure }
    precondition(descriptor >= 0, "sync of an AtomicFile after finish or cancel")
    if isSynced { return }
    try flush()
    if calls.sync(descriptor) != 0 { throw fail(errno) }
    isSynced = true
  }

  /// Puts the file in its place: sync, rename, sync of the folder.
  ///
  /// With `keepingPartial`, the partial file stays where the rename fails: for a file whose partner
  /// is in its place already.
  ///
  /// Errors: those of writing; `unconfirmed` where all but the last sync went well.
  public func finish(keepingPartial: Bool = false) throws(FileError) {
    if isDurable { try sync() } else { try flushAll() }
    if calls.rename(partial, target) != 0 {
      let code = errno
      guard keepingPartial else { throw fail(code) }
      let error = FileError(.write, path, .system(code))
      failure = error
      close(descriptor)
      descriptor = -1
      throw error
    }
    isInPlace = true
    // Closing gives the lock back. Some file systems tell only here what they could not write.
    let closed = close(descriptor)
    let code = errno
    descriptor = -1
    if closed != 0, code != EINTR { throw FileError(.write, path, .unconfirmed(code)) }
    if isDurable { try syncFolder() }
  }

  /// Gives up and removes the partial file; harmless after `finish()`.
  public func cancel() {
    guard descriptor >= 0 else { return }
    // Removed while still locked, so that it cannot be another writer's.
    unlink(partial)
    close(descriptor)
    descriptor = -1
    buffer = []
  }

  /// Writes a whole file at once, atomically.
  public static func write(
    _ bytes: [UInt8], to path: String, isDurable: Bool = true
  ) throws(FileError) {
    let file = try AtomicFile(path: path, isDurable: isDurable)
    try file.append(bytes)
    try file.finish()
  }

  /// Writes a whole text file at once, atomically, as UTF-8.
  public static func write(_ text: String, to path: String) throws(FileError) {
    try write(Array(text.utf8), to: path)
  }

  private func flushAll() throws(FileError) {
    if let failure { throw failure }
    precondition(descriptor >= 0, "finish of an AtomicFile after finish or cancel")
    try flush()
  }

  private func flush() throws(FileError) {
    let code = buffer.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    buffer.removeAll(keepingCapacity: true)
    if code != 0 { throw fail(code) }
  }

  /// Removes the partial file and remembers why, for further writes.
  private func fail(_ code: Int32) -> FileError {
    let error = FileError(.write, path, .system(code))
    failure = error
    cancel()
    return error
  }

  private func syncFolder() throws(FileError) {
    let folder = open(Self.folder(of: target), O_RDONLY | O_CLOEXEC)
    // A folder one may write into but not list cannot be opened, and so not synced.
    if folder < 0 { return }
    defer { close(folder) }
    // Some file systems know no sync of folders and answer EINVAL.
    if calls.sync(folder) != 0, errno != EINVAL, errno != ENOTSUP {
      throw FileError(.write, path, .unconfirmed(errno))
    }
  }
}

extension AtomicFile {
  /// The most bytes that file systems allow a name.
  private static let longestName = 255

  /// The name of a partial file: always the same for one target, and short enough for every one.
  ///
  /// Hidden among files that come by the thousand, so that what a killed process leaves there is not
  /// taken for one of them.
  private static func partial(of target: String, isHidden: Bool) -> String {
    let slash = target.utf8.lastIndex(of: UInt8(ascii: "/"))
    let start = slash.map(target.utf8.index(after:)) ?? target.utf8.startIndex
    let name = target.utf8[start...]
    let (dot, ending) = (isHidden ? "." : "", ".partial")
    let folder = String(target[..<start])
    if dot.utf8.count + name.count + ending.utf8.count <= longestName {
      return folder + dot + String(target[start...]) + ending
    }
    // FNV-1a of the name stands for what has no room.
    var hash = Checksum()
    Array(name).withUnsafeBytes { hash.add($0) }
    return folder + dot + String(hash.value, radix: 16) + ending
  }

  /// Opens `partial` and locks it, so that no two writers share it.
  private static func openAlone(_ partial: String, named path: String) throws(FileError) -> Int32 {
    while true {
      let descriptor = open(partial, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0o666)
      guard descriptor >= 0 else { throw FileError(.write, path, .system(errno)) }
      if flock(descriptor, LOCK_EX | LOCK_NB) != 0, errno == EWOULDBLOCK {
        close(descriptor)
        throw FileError(.write, path, .busy)
      }
      // Between open and lock its former owner may have renamed or removed it: then this is
      // no longer the file that lies at `partial`, and a new one must be opened.
      var mine = stat()
      var there = stat()
      if fstat(descriptor, &mine) == 0, stat(partial, &there) == 0,
        mine.st_ino == there.st_ino, mine.st_dev == there.st_dev
      {
        return descriptor
      }
      close(descriptor)
    }
  }

  /// The path behind a chain of symbolic links, whether or not anything lies there yet.
  private static func behindLinks(_ path: String) -> String {
    var current = path
    // The kernel's own limit; a loop of links then fails at open.
    for _ in 0..<40 {
      var name = [UInt8](repeating: 0, count: 4096)
      let count = name.withUnsafeMutableBytes {
        readlink(current, $0.baseAddress!.assumingMemoryBound(to: CChar.self), $0.count)
      }
      guard count > 0 else { return current }
      let link = String(decoding: name[..<count], as: UTF8.self)
      current = link.hasPrefix("/") ? link : folder(of: current) + "/" + link
    }
    return current
  }

  private static func folder(of path: String) -> String {
    guard let slash = path.lastIndex(of: "/") else { return "." }
    return slash == path.startIndex ? "/" : String(path[..<slash])
  }
}

// MARK: - System calls

/// The system calls that can fail half-way through a file, replaceable so that tests can fail them.
package struct SystemCalls: Sendable {
  /// As write(2): the bytes taken, or -1 with `errno` set.
  package var write: @Sendable (Int32, UnsafeRawPointer, Int) -> Int
  /// Forces a file or folder onto the disk: 0, or -1 with `errno` set.
  package var sync: @Sendable (Int32) -> Int32
  /// As rename(2): 0, or -1 with `errno` set.
  package var rename: @Sendable (String, String) -> Int32

  /// What the operating system offers.
  package static let real = SystemCalls(
    write: { descriptor, bytes, count in
      #if canImport(Darwin)
        Darwin.write(descriptor, bytes, count)
      #elseif canImport(Musl)
        Musl.write(descriptor, bytes, count)
      #else
        Glibc.write(descriptor, bytes, count)
      #endif
    },
    sync: { descriptor in
      #if canImport(Darwin)
        // fsync(2) alone leaves the bytes in the drive's own cache there.
        if fcntl(descriptor, F_FULLFSYNC) == 0 { return 0 }
      #endif
      return fsync(descriptor)
    },
    rename: { from, to in
      #if canImport(Darwin)
        Darwin.rename(from, to)
      #elseif canImport(Musl)
        Musl.rename(from, to)
      #else
        Glibc.rename(from, to)
      #endif
    })

  /// What files opened from now on in this task use.
  @TaskLocal package static var current = SystemCalls.real

  /// Writes all of `bytes`, continuing after interruptions and partial writes.
  ///
  /// Returns: 0, or the `errno` that stopped it.
  package func writeAll(_ bytes: UnsafeRawBufferPointer, to descriptor: Int32) -> Int32 {
    guard var next = bytes.baseAddress else { return 0 }
    var left = bytes.count
    while left > 0 {
      let taken = write(descriptor, next, left)
      if taken < 0 {
        if errno == EINTR { continue }
        return errno
      }
      if taken == 0 { return EIO }
      next += taken
      left -= taken
    }
    return 0
  }
}
