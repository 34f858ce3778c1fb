import Configuration
import Foundation

/// What a command says while it works: results to standard output, talk to standard error.
///
/// On a terminal a progress line is drawn over itself; elsewhere each report is a plain line.
/// With `quiet` only warnings and errors are told. Here alone foreign text, such as a file's name,
/// is made fit to be shown: control characters are escaped.
public final class Terminal {
  /// Whether standard error is a terminal.
  public let isInteractive: Bool
  /// Whether progress is left out.
  public let isQuiet: Bool

  private var drawn = 0
  private var lastDrawn = ContinuousClock.now - .seconds(60)

  /// A terminal for one command.
  public init(isQuiet: Bool) {
    self.isQuiet = isQuiet
    isInteractive = isatty(STDERR_FILENO) != 0
  }

  /// Prints a result, in the lines that it has.
  public func result(_ text: String) { output(VisibleText.lines(text) + "\n") }

  /// Prints text for another program as it is, such as JSON.
  public func output(_ text: String) {
    erase()
    StandardStream.output.write(text, isNeeded: true)
  }

  /// Tells something on the way, on one line.
  public func say(_ text: String) {
    guard !isQuiet else { return }
    erase()
    tell(VisibleText.line(text) + "\n")
  }

  /// Tells something that the user should not miss, on one line.
  public func warn(_ text: String) {
    erase()
    StandardStream.errors.write("warning: " + VisibleText.line(text) + "\n", isNeeded: true)
  }

  /// Tells why the command ends.
  public func fail(_ failure: Failure) {
    erase()
    StandardStream.errors.write("error: " + failure.description + "\n", isNeeded: true)
  }

  /// Draws progress over the previous one, at most ten times a second; only on a terminal.
  public func progress(_ text: @autoclosure () -> String) {
    guard isInteractive, !isQuiet, lastDrawn.duration(to: .now) > .milliseconds(100) else { return }
    lastDrawn = .now
    let line = VisibleText.line(String(text().prefix(width - 1)))
    tell("\r" + line + String(repeating: " ", count: max(0, drawn - line.count)))
    drawn = line.count
  }

  private func erase() {
    guard drawn > 0 else { return }
    tell("\r" + String(repeating: " ", count: drawn) + "\r")
    drawn = 0
  }

  private var width: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20
      ? Int(size.ws_col) : 100
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
