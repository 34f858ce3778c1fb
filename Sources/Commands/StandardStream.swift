import Foundation
import Synchronization

/// Standard output or standard error, which may be closed, full, or a pipe that nobody reads.
///
/// Nothing of that ends the work: a failed write is remembered, and the command ends with the code
/// for it when everything is done and saved.
final class StandardStream: Sendable {
  /// Where results go.
  static let output = StandardStream(STDOUT_FILENO)
  /// Where progress, warnings and errors go.
  static let errors = StandardStream(STDERR_FILENO)

  private struct State {
    var isClosed = false
    var failure: Int32?
  }

  private let descriptor: Int32
  private let state = Mutex(State())

  private init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// Makes the streams safe to write to; to be called before any file is opened.
  ///
  /// A descriptor that the starting program closed is opened on `/dev/null`: otherwise the next file
  /// would get its number, and messages would be written into that file. A pipe that closes and a
  /// file that reaches `ulimit -f` fail the write in place of ending the program.
  static func prepare() {
    signal(SIGPIPE, SIG_IGN)
    signal(SIGXFSZ, SIG_IGN)
    for descriptor in [STDIN_FILENO, STDOUT_FILENO, STDERR_FILENO]
    where fcntl(descriptor, F_GETFD) == -1 && errno == EBADF {
      _ = open("/dev/null", descriptor == STDIN_FILENO ? O_RDONLY : O_WRONLY)
      for stream in [output, errors] where stream.descriptor == descriptor {
        stream.state.withLock { $0.isClosed = true }
      }
    }
  }

  /// The `errno` of the first write of something needed that failed; nil if none did.
  var failure: Int32? { state.withLock { $0.failure } }

  /// Writes all of a text, or as much as can be.
  ///
  /// - Parameter isNeeded: whether a failure is remembered, and a full pipe waited for however long;
  ///   progress is not needed.
  func write(_ text: String, isNeeded: Bool) {
    var text = text
    state.withLock { state in
      let error: Int32? =
        state.isClosed ? EBADF : text.withUTF8 { put($0, waitsFor: isNeeded ? -1 : 1000) }
      if let error, isNeeded, state.failure == nil { state.failure = error }
    }
  }

  /// Writes bytes; returns the `errno` of what kept it from that.
  private func put(_ bytes: UnsafeBufferPointer<UInt8>, waitsFor milliseconds: Int32) -> Int32? {
    var rest = UnsafeRawBufferPointer(bytes)[...]
    while !rest.isEmpty {
      let part = UnsafeRawBufferPointer(rebasing: rest)
      let written = Foundation.write(descriptor, part.baseAddress, part.count)
      if written > 0 {
        rest = rest.dropFirst(written)
        continue
      }
      switch written == 0 ? EIO : errno {
      case EINTR: continue
      case EAGAIN, EWOULDBLOCK:
        // Another program may have made a shared pipe or terminal non-blocking.
        var request = pollfd(fd: descriptor, events: Int16(POLLOUT), revents: 0)
        if poll(&request, 1, milliseconds) == 0 { return EAGAIN }
      case let error: return error
      }
    }
    return nil
  }
}
