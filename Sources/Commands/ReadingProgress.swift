import Synchronization

/// Tells how far the images of a folder have been read, which takes a while with many or large ones.
final class ReadingProgress: Sendable {
  // The reader calls from its threads, one call at a time, while the command's own thread waits.
  nonisolated(unsafe) private let terminal: Terminal
  private let lastTold = Mutex(ContinuousClock.now)

  /// Tells it to a terminal.
  init(_ terminal: Terminal) { self.terminal = terminal }

  /// So many of all images of a folder have been read.
  func advance(to done: Int, of all: Int) {
    let position = "reading images: \(Display.count(done)) of \(Display.count(all))"
    if terminal.isInteractive {
      if done < all {
        terminal.progress(ProgressLine(position: position, timeLeft: "", details: []))
      }
      return
    }
    let isDue = lastTold.withLock { last in
      guard done < all, last.duration(to: .now) > .seconds(10) else { return false }
      last = .now
      return true
    }
    if isDue { terminal.say(position) }
  }
}
