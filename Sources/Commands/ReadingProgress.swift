import Synchronization

/// Tells how far a data set's files have been looked at: over itself on a terminal; elsewhere a line
/// when it has taken a second, and one every five seconds from then on.
final class ReadingProgress: @unchecked Sendable {
  // Unchecked: the mutex guards the terminal, which nobody else uses while files are looked at.
  private let terminal: Terminal
  private let due: Mutex<ContinuousClock.Instant>

  /// Starts the clock.
  init(_ terminal: Terminal) {
    self.terminal = terminal
    due = Mutex(.now + .seconds(1))
    terminal.progress("listing images")
  }

  /// So many of all files have been looked at.
  func report(_ done: Int, _ all: Int) {
    due.withLock { due in
      let line = { "reading \(Display.count(done)) of \(Display.count(all, "image"))" }
      if terminal.isInteractive {
        terminal.progress(line())
      } else if done < all, due < .now {
        due = .now + .seconds(5)
        terminal.say(line())
      }
    }
  }
}
