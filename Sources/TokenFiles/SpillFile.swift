import Files

#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

/// Ids on their way: kept on disk while the header that must stand in front of them is not known.
///
/// The file has no name any more once it is open, so whatever ends the process frees its room. It
/// lies in the folder of the output, since that is where there must be room anyway.
final class SpillFile {
  private let path: String
  private let descriptor: Int32
  private let calls = SystemCalls.current
  private(set) var byteCount = 0
  private var buffer: [UInt8] = []

  private static let bufferSize = 1 << 20

  /// Opens the file that ids for `name` gather in.
  ///
  /// The name is always the same, and only the holder of the output's lock uses it: what a process
  /// left that was killed between two calls is taken over.
  init(for name: PieceName) throws(FileError) {
    path = name.data
    let temporary = name.stem + ".spill"
    descriptor = open(
      temporary, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0o600)
    guard descriptor >= 0 else { throw FileError(.write, path, .system(errno)) }
    unlink(temporary)
  }

  deinit {
    if descriptor >= 0 { close(descriptor) }
  }

  func append(_ bytes: UnsafeRawBufferPointer) throws(FileError) {
    buffer.append(contentsOf: bytes)
    byteCount += bytes.count
    if buffer.count >= Self.bufferSize { try flush() }
  }

  /// Hands over all bytes from the beginning, in chunks of bounded size.
  func read<E: Error>(
    _ body: (UnsafeRawBufferPointer) throws(E) -> Void, failing: (FileError) -> E
  ) throws(E) {
    do { try flush() } catch { throw failing(error) }
    var piece = [UInt8](repeating: 0, count: Self.bufferSize)
    var position = 0
    while position < byteCount {
      let count = piece.withUnsafeMutableBytes {
        pread(descriptor, $0.baseAddress, $0.count, off_t(position))
      }
      if count < 0, errno == EINTR { continue }
      guard count > 0 else {
        throw failing(FileError(.read, path, .system(count < 0 ? errno : EIO)))
      }
      let result = piece.withUnsafeBytes { bytes in
        Result { () throws(E) in try body(UnsafeRawBufferPointer(rebasing: bytes[..<count])) }
      }
      try result.get()
      position += count
    }
  }

  /// Forgets everything, for the next shard.
  func clear() throws(FileError) {
    buffer.removeAll(keepingCapacity: true)
    byteCount = 0
    guard ftruncate(descriptor, 0) == 0, lseek(descriptor, 0, SEEK_SET) == 0 else {
      throw FileError(.write, path, .system(errno))
    }
  }

  private func flush() throws(FileError) {
    let code = buffer.withUnsafeBytes { calls.writeAll($0, to: descriptor) }
    buffer.removeAll(keepingCapacity: true)
    if code != 0 { throw FileError(.write, path, .system(code)) }
  }
}
