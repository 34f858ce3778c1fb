import Configuration
import Foundation

/// Output of a command: results to standard output, messages to standard error.
///
/// On a terminal a progress line is drawn over itself; elsewhere, and where `TERM` is `dumb`, each
/// report is a plain line. Nothing is coloured, so that `NO_COLOR` has nothing to turn off.
/// With `quiet` only warnings and errors are printed. Here alone foreign text, such as a file's
/// name, is made fit to be shown: control characters are escaped.
public final class Terminal {
  /// Whether standard error is a terminal that lines can be drawn over on.
  public let isInteractive: Bool
  /// Whether progress is off.
  public let isQuiet: Bool

  /// Columns of the progress line that stands there; 0 where none does.
  private var drawn = 0
  /// Whether the terminal rewraps drawn lines when it becomes narrower.
  private let reflows: Bool
  private var lastDrawn = ContinuousClock.now - .seconds(60)

  /// A terminal for one command.
  public init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    let environment = ProcessInfo.processInfo.environment
    let kind = environment["TERM"] ?? ""
    isInteractive = isatty(STDERR_FILENO) != 0 && !["", "dumb", "unknown"].contains(kind)
    reflows = [
      "TMUX", "VTE_VERSION", "KONSOLE_VERSION", "KITTY_WINDOW_ID", "WT_SESSION", "TERM_PROGRAM",
      "ALACRITTY_WINDOW_ID",
    ].contains { environment[$0]?.isEmpty == false }
  }

  /// Prints a result, in the lines that it has.
  public func result(_ text: String) { output(VisibleText.lines(text) + "\n") }

  /// Prints text for another program as it is, such as JSON.
  public func output(_ text: String) {
    erase()
    StandardStream.output.write(text, isNeeded: true)
  }

  /// Prints a message on one line.
  public func say(_ text: String) {
    guard !isQuiet else { return }
    erase()
    tell(VisibleText.line(text) + "\n")
  }

  /// Prints a warning on one line.
  public func warn(_ text: String) {
    erase()
    StandardStream.errors.write("warning: " + VisibleText.line(text) + "\n", isNeeded: true)
  }

  /// Prints why the command ends.
  public func fail(_ failure: Failure) {
    erase()
    StandardStream.errors.write("error: " + failure.description + "\n", isNeeded: true)
  }

  /// Draws progress over the previous one, at most ten times a second; only on a terminal.
  public func progress(_ text: @autoclosure () -> String) {
    draw { DisplayWidth.prefix(VisibleText.line(text()), columns: $0) }
  }

  /// Draws a line of progress that fits the terminal, see the other `progress`.
  func progress(_ line: @autoclosure () -> ProgressLine) {
    draw { line().text(columns: $0) }
  }

  private func draw(_ text: (_ columns: Int) -> String) {
    guard isInteractive, !isQuiet, lastDrawn.duration(to: .now) > .milliseconds(100) else { return }
    lastDrawn = .now
    let columns = width
    // The last column stays free: in it some terminals break the line.
    let line = text(columns - 1)
    tell(clearing(columns) + line)
    drawn = DisplayWidth.columns(line)
  }

  private func erase() {
    guard drawn > 0 else { return }
    tell(clearing(width))
    drawn = 0
  }

  /// The sequence that clears the progress line and leaves the cursor at its start.
  ///
  /// A terminal that became narrower may have broken the line into several rows.
  private func clearing(_ columns: Int) -> String {
    let rows = (max(drawn, 1) + columns - 1) / columns
    guard reflows, rows > 1 else { return "\r\u{1b}[K" }
    return "\r\u{1b}[\(rows - 1)A\u{1b}[J"
  }

  /// The columns of the terminal, queried each time as they change with the window.
  private var width: Int {
    var size = winsize()
    if ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0, size.ws_col > 0 {
      return max(2, Int(size.ws_col))
    }
    return ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init).map { max(2, $0) } ?? 80
  }

  /// Writes what may be lost.
  private func tell(_ text: String) {
    StandardStream.errors.write(text, isNeeded: false)
  }
}

/// Numbers as people read them.
public enum Display {
  /// A number with so many decimals.
  public static func decimals(_ value: Double, _ digits: Int) -> String {
    String(format: "%.\(digits)f", value)
  }

  /// A loss: four significant digits.
  public static func loss(_ value: Double) -> String {
    String(format: "%.4g", value)
  }

  /// A share as a percentage.
  public static func percent(_ share: Double) -> String {
    String(format: share < 0.1 ? "%.1f%%" : "%.0f%%", share * 100)
  }

  /// Seconds as `1:02:03` or `2:03`.
  public static func duration(_ seconds: Double) -> String {
    guard seconds.isFinite, seconds < 1e7 else { return "?" }
    let whole = Int(seconds.rounded())
    let (hours, minutes, rest) = (whole / 3600, whole / 60 % 60, whole % 60)
    return hours > 0
      ? String(format: "%d:%02d:%02d", hours, minutes, rest)
      : String(format: "%d:%02d", minutes, rest)
  }

  /// A count with thousands apart.
  public static func count(_ value: Int) -> String {
    let digits = String(value)
    var parts: [Substring] = []
    var rest = digits[...]
    while rest.count > 3 {
      parts.insert(rest.suffix(3), at: 0)
      rest = rest.dropLast(3)
    }
    parts.insert(rest, at: 0)
    return parts.joined(separator: ",")
  }

  /// A count with its noun: "1 image", "1,200 images".
  public static func count(_ value: Int, _ noun: String) -> String {
    "\(count(value)) \(noun)\(value == 1 ? "" : "s")"
  }

  /// Bytes in MB.
  public static func megabytes(_ bytes: Int) -> String { megabytes(Double(bytes)) }

  /// Bytes in MB, which may be more than any machine has.
  static func megabytes(_ bytes: Double) -> String {
    bytes < 1e18
      ? count(Int((bytes / 1e6).rounded())) + " MB" : String(format: "%.1e MB", bytes / 1e6)
  }
}
