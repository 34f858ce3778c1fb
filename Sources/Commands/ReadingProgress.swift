import Synchronization

/// Shows how many files of a data set have been read or drawn: over itself on a terminal; elsewhere
/// a line after a second, and one every five seconds from then on.
final class ReadingProgress: @unchecked Sendable {
  // Unchecked: the mutex guards the terminal, which nobody else uses meanwhile.
  private let terminal: Terminal
  private let doing: String
  private let due: Mutex<ContinuousClock.Instant>

  /// Starts the clock; `first` is shown until the first file is done.
  init(_ terminal: Terminal, _ doing: String = "reading", first: String = "listing images") {
    self.terminal = terminal
    self.doing = doing
    due = Mutex(.now + .seconds(1))
    terminal.progress(first)
  }

  /// So many of all files have been looked at.
  func report(_ done: Int, _ all: Int) {
    due.withLock { [doing] due in
      let line = { "\(doing) \(Display.count(done)) of \(Display.count(all, "image"))" }
      if terminal.isInteractive {
        terminal.progress(line())
      } else if done < all, due < .now {
        due = .now + .seconds(5)
        terminal.say(line())
      }
    }
  }
}
