#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// A file mapped into memory for reading; unmapped when the last user lets go of it.
///
/// The bytes are those of the file at the time of opening, as long as nobody cuts the same file in
/// place. Writers that rename a new file over it (`AtomicFile`) do not disturb it.
public final class MappedFile: @unchecked Sendable {
  /// The file, as its user named it.
  public let path: String
  /// The bytes; valid while this object lives.
  public let bytes: UnsafeRawBufferPointer

  /// Maps all of the regular file at `path`.
  public init(path: String) throws(FileError) {
    self.path = path
    // Without O_NONBLOCK, opening a named pipe would wait for a writer for ever.
    let descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK)
    guard descriptor >= 0 else { throw FileError(.read, path, .system(errno)) }
    defer { close(descriptor) }
    var status = stat()
    guard fstat(descriptor, &status) == 0 else { throw FileError(.read, path, .system(errno)) }
    guard status.st_mode & S_IFMT == S_IFREG else {
      throw FileError(.read, path, .notARegularFile)
    }
    let count = Int(status.st_size)
    if count == 0 {
      // An empty range cannot be mapped.
      bytes = UnsafeRawBufferPointer(start: nil, count: 0)
      return
    }
    let start = mmap(nil, count, PROT_READ, MAP_PRIVATE, descriptor, 0)
    guard let start, start != MAP_FAILED else { throw FileError(.read, path, .system(errno)) }
    bytes = UnsafeRawBufferPointer(start: start, count: count)
  }

  deinit {
    if let start = bytes.baseAddress {
      munmap(UnsafeMutableRawPointer(mutating: start), bytes.count)
    }
  }
}
