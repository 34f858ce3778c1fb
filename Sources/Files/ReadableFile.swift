import Synchronization

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A regular file opened for reading at any place, by copying.
///
/// Nothing is mapped: where the file is cut short meanwhile, a read is an error and never a signal.
/// Opening never waits: a named pipe, a socket or a device is refused. Writers that rename a new file
/// over this one (`AtomicFile`) do not disturb it. Reads may come from several threads.
public final class ReadableFile: Sendable {
  /// The file, as its user named it.
  public let path: String
  /// Its size in bytes when it was opened.
  public var byteCount: Int { version.byteCount }
  /// What tells it from the file at this path at another time.
  public let version: FileVersion

  private let identity: Identity
  private let descriptor: Mutex<Int32>

  /// The identity of this file, to detect another one at the same path.
  private struct Identity: Equatable {
    let device: UInt64
    let node: UInt64
    let size: Int
  }

  /// Opens the regular file at `path`.
  public init(path: String) throws(FileError) {
    self.path = path
    let (opened, identity, version) = try Self.open(path)
    (self.identity, self.version) = (identity, version)
    descriptor = Mutex(opened)
  }

  deinit {
    let last = descriptor.withLock { $0 }
    if last >= 0 { close(last) }
  }

  /// Fills `target` with the bytes from `offset`.
  ///
  /// Errors: `cutShort` where the file ends before, as one that was cut meanwhile does.
  public func read(
    into target: UnsafeMutableRawBufferPointer, at offset: Int
  ) throws(FileError) {
    let code = try withDescriptor { descriptor -> FileError.Reason? in
      var done = 0
      while done < target.count {
        let count = pread(
          descriptor, target.baseAddress! + done, min(target.count - done, 1 << 30),
          off_t(offset + done))
        if count < 0, errno == EINTR { continue }
        if count < 0 { return .system(errno) }
        if count == 0 { return .cutShort }
        done += count
      }
      return nil
    }
    if let code { throw FileError(.read, path, code) }
  }

  /// A copy of some of its bytes.
  public func bytes(_ range: Range<Int>) throws(FileError) -> [UInt8] {
    var failure: FileError?
    let bytes = [UInt8](unsafeUninitializedCapacity: range.count) { target, initialized in
      do throws(FileError) {
        try read(into: UnsafeMutableRawBufferPointer(target), at: range.lowerBound)
        initialized = range.count
      } catch {
        failure = error
      }
    }
    if let failure { throw failure }
    return bytes
  }

  /// All bytes of a file, of at most `limit`.
  public static func contents(of path: String, limit: Int = .max) throws(FileError) -> [UInt8] {
    let file = try ReadableFile(path: path)
    guard file.byteCount <= limit else { throw FileError(.read, path, .tooLarge(limit: limit)) }
    return try file.bytes(0..<file.byteCount)
  }

  /// Gives the descriptor back; the next read opens the file again, if it is still the same one.
  ///
  /// For whoever has more files at hand than a process may have open.
  public func release() {
    descriptor.withLock { descriptor in
      if descriptor >= 0 { close(descriptor) }
      descriptor = -1
    }
  }

  private func withDescriptor<R: Sendable>(_ body: (Int32) -> R) throws(FileError) -> R {
    let result = descriptor.withLock { descriptor -> Result<R, FileError> in
      if descriptor < 0 {
        do throws(FileError) {
          let (opened, identity, _) = try Self.open(path)
          guard identity == self.identity else {
            close(opened)
            return .failure(FileError(.read, path, .replaced))
          }
          descriptor = opened
        } catch {
          return .failure(error)
        }
      }
      return .success(body(descriptor))
    }
    return try result.get()
  }

  private static func open(
    _ path: String
  ) throws(FileError) -> (Int32, Identity, FileVersion) {
    // Without O_NONBLOCK, opening a named pipe would wait forever for a writer.
    #if canImport(Darwin)
      let descriptor = Darwin.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    #elseif canImport(Musl)
      let descriptor = Musl.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    #else
      let descriptor = Glibc.open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    #endif
    guard descriptor >= 0 else {
      // A socket cannot be opened at all.
      throw FileError(.read, path, errno == ENXIO ? .notARegularFile : .system(errno))
    }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else {
      let code = errno
      close(descriptor)
      throw FileError(.read, path, .system(code))
    }
    guard status.st_mode & S_IFMT == S_IFREG else {
      close(descriptor)
      throw FileError(.read, path, .notARegularFile)
    }
    return (
      descriptor,
      Identity(
        device: UInt64(truncatingIfNeeded: status.st_dev),
        node: UInt64(truncatingIfNeeded: status.st_ino), size: Int(status.st_size)),
      FileVersion(status)
    )
  }
}

/// The size of a file and when it was last changed: what differs once it holds something else.
public struct FileVersion: Sendable, Equatable {
  /// Its size in bytes.
  public let byteCount: Int
  /// When it was last changed, in nanoseconds since 1970.
  public let modified: Int

  /// States a version.
  public init(byteCount: Int, modified: Int) {
    (self.byteCount, self.modified) = (byteCount, modified)
  }

  /// The version of what is at a path now; nil where nothing is.
  public init?(path: String) {
    var status = stat()
    guard stat(path, &status) == 0 else { return nil }
    self.init(status)
  }

  fileprivate init(_ status: stat) {
    #if canImport(Darwin)
      let time = status.st_mtimespec
    #else
      let time = status.st_mtim
    #endif
    self.init(
      byteCount: Int(status.st_size),
      // Of a time beyond the year 2262 any number will do.
      modified: Int(time.tv_sec) &* 1_000_000_000 &+ Int(time.tv_nsec))
  }
}
