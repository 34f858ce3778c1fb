import Synchronization
import Threads
import TokenFiles

/// Gives tokens to their writer in a thread of its own, one portion while the next one is computed.
final class TokenAppending: @unchecked Sendable {
  // Unchecked: a portion is begun only after the one before has ended, and nobody else has the
  // writer meanwhile.
  private let writer: TokenWriter
  private let work = BackgroundWork("writer")
  private let failure = Mutex<(any Error)?>(nil)

  /// Prepares to append to a writer.
  init(to writer: TokenWriter) { self.writer = writer }

  /// Begins to append a portion, once the one before has been.
  ///
  /// Errors: what kept the portion before from being written.
  func append(_ records: [TokenRecord]) throws {
    try finish()
    work.start { [self] in
      do { for record in records { try writer.append(record) } } catch {
        failure.withLock { $0 = error }
      }
    }
  }

  /// Waits until the writer has everything.
  ///
  /// Errors: what kept it from being written.
  func finish() throws {
    work.wait()
    if let error = failure.withLock({ $0 }) { throw error }
  }

  /// Waits, when something else has gone wrong already.
  func stop() { work.wait() }
}
