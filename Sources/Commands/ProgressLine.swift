import Formatting
import Synchronization

/// A line of progress: where the work is, how long it still takes, and what else there is room for.
struct ProgressLine {
  /// What is done, as in `step 36/700`.
  let position: String
  /// The time left, as in `8:21 left`; empty where it is not known yet.
  let timeLeft: String
  /// Everything else, the most important first.
  let details: [String]

  /// The line in at most so many columns: details are dropped from the right, the time left never.
  func text(columns: Int = .max) -> String {
    let needed = [position, timeLeft].filter { !$0.isEmpty }
    for count in stride(from: details.count, through: 0, by: -1) {
      let line = (needed + details.prefix(count)).joined(separator: "  ")
      if DisplayWidth.columns(line) <= columns { return line }
    }
    // Not even both fit: the time goes first.
    let room = columns - DisplayWidth.columns(timeLeft) - 2
    guard room > 0, !timeLeft.isEmpty else {
      return DisplayWidth.prefix(timeLeft.isEmpty ? position : timeLeft, columns: columns)
    }
    return DisplayWidth.prefix(position, columns: room) + "  " + timeLeft
  }
}

/// Tells how far a count of items has come: over itself on a terminal, now and then elsewhere.
final class ItemProgress {
  private let terminal: Terminal
  private let doing: String
  private let total: Int
  private let began = ContinuousClock.now
  private var lastTold = ContinuousClock.now
  /// Items done so far.
  private(set) var done = 0

  /// Starts the clock; `doing` is a word such as "encoding".
  init(_ terminal: Terminal, _ doing: String, total: Int) {
    self.terminal = terminal
    self.doing = doing
    self.total = total
    terminal.progress("\(doing) 0 of \(Display.count(total))")
  }

  /// Seconds since the start.
  var seconds: Double { began.duration(to: .now) / .seconds(1) }

  /// Items done in a second, as people read it.
  var rate: String { Display.decimals(Double(done) / max(seconds, 1e-9), 1) + " images/s" }

  /// So many more items are done.
  func advance(by count: Int) {
    done += count
    let left = seconds / Double(max(1, done)) * Double(total - done)
    let line = ProgressLine(
      position: "\(doing) \(Display.count(done)) of \(Display.count(total))",
      timeLeft: "\(Display.duration(left)) left", details: [rate])
    if terminal.isInteractive {
      terminal.progress(line)
    } else if lastTold.duration(to: .now) > .seconds(5), done < total {
      lastTold = .now
      terminal.say(line.text())
    }
  }
}

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
