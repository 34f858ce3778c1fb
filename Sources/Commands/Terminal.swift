import Foundation

/// What a command says while it works: results to standard output, talk to standard error.
///
/// On a terminal a progress line is drawn over itself; elsewhere each report is a plain line.
/// With `quiet` only warnings and errors are told.
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

  /// Prints a result.
  public func result(_ text: String) {
    erase()
    FileHandle.standardOutput.write(Data((text + "\n").utf8))
  }

  /// Tells something on the way.
  public func say(_ text: String) {
    guard !isQuiet else { return }
    erase()
    write(text + "\n")
  }

  /// Tells something that the user should not miss.
  public func warn(_ text: String) {
    erase()
    write("warning: " + text + "\n")
  }

  /// Tells why the command ends.
  public func fail(_ failure: Failure) {
    erase()
    write("error: " + failure.description + "\n")
  }

  /// Draws progress over the previous one, at most ten times a second; only on a terminal.
  public func progress(_ text: @autoclosure () -> String) {
    guard isInteractive, !isQuiet, lastDrawn.duration(to: .now) > .milliseconds(100) else { return }
    lastDrawn = .now
    let line = String(text().prefix(width - 1))
    write("\r" + line + String(repeating: " ", count: max(0, drawn - line.count)))
    drawn = line.count
  }

  private func erase() {
    guard drawn > 0 else { return }
    write("\r" + String(repeating: " ", count: drawn) + "\r")
    drawn = 0
  }

  private var width: Int {
    var size = winsize()
    return ioctl(STDERR_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 20
      ? Int(size.ws_col) : 100
  }

  private func write(_ text: String) {
    FileHandle.standardError.write(Data(text.utf8))
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
  public static func megabytes(_ bytes: Int) -> String {
    String(format: "%.0f MB", Double(bytes) / 1e6)
  }
}
