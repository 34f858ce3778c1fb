#if canImport(Darwin)
  import Darwin
#elseif canImport(Musl)
  import Musl
#else
  import Glibc
#endif

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
