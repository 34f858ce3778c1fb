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
