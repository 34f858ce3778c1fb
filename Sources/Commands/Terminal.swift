import Configuration
import Foundation
import Synchronization

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

  /// Whether nothing is printed: by all ranks but the first.
  static var isMuted: Bool {
    get { muted.load(ordering: .relaxed) }
    set { muted.store(newValue, ordering: .relaxed) }
  }
  private static let muted = Atomic(false)

  /// Prints a result, in the lines that it has.
  public func result(_ text: String) { output(VisibleText.lines(text) + "\n") }

  /// Prints text for another program as it is, such as JSON.
  public func output(_ text: String) {
    guard !Self.isMuted else { return }
    erase()
    StandardStream.output.write(text, isNeeded: true)
  }

  /// Prints a message on one line.
  public func say(_ text: String) {
    guard !isQuiet, !Self.isMuted else { return }
    erase()
    tell(VisibleText.line(text) + "\n")
  }

  /// Prints a warning on one line.
  public func warn(_ text: String) {
    guard !Self.isMuted else { return }
    erase()
    StandardStream.errors.write("warning: " + VisibleText.line(text) + "\n", isNeeded: true)
  }

  /// Prints why the command ends.
  public func fail(_ failure: Failure) {
    guard !Self.isMuted else { return }
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

  /// Removes the line of progress that stands there.
  func endProgress() { erase() }

  private func draw(_ text: (_ columns: Int) -> String) {
    guard isInteractive, !isQuiet, !Self.isMuted, lastDrawn.duration(to: .now) > .milliseconds(100)
    else { return }
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

/// How many columns of a terminal a text takes.
///
/// A character of East Asian width or an emoji takes two, a mark that combines none; a whole
/// character is counted, so that an emoji made of several parts counts once.
enum DisplayWidth {
  /// The columns of a text without control characters.
  static func columns(_ text: String) -> Int { text.reduce(0) { $0 + columns($1) } }

  /// The beginning of a text that fits into so many columns.
  static func prefix(_ text: String, columns limit: Int) -> String {
    var used = 0
    return String(
      text.prefix { character in
        used += columns(character)
        return used <= limit
      })
  }

  private static func columns(_ character: Character) -> Int {
    guard let first = character.unicodeScalars.first else { return 0 }
    if first.isASCII && character.unicodeScalars.count == 1 { return 1 }
    // A character of text that is asked for as an emoji, such as a heart.
    if character.unicodeScalars.contains("\u{FE0F}") { return 2 }
    switch first.properties.generalCategory {
    case .nonspacingMark, .enclosingMark, .format, .control: return 0
    default: return isWide(first.value) ? 2 : 1
    }
  }

  /// Whether Unicode's East Asian Width is wide or full, by blocks.
  private static func isWide(_ value: UInt32) -> Bool {
    switch value {
    case 0x1100...0x115F, 0x231A...0x231B, 0x2329...0x232A, 0x23E9...0x23EC, 0x23F0, 0x23F3,
      0x25FD...0x25FE, 0x2614...0x2615, 0x2648...0x2653, 0x267F, 0x2693, 0x26A1,
      0x26AA...0x26AB, 0x26BD...0x26BE, 0x26C4...0x26C5, 0x26CE, 0x26D4, 0x26EA,
      0x26F2...0x26F3, 0x26F5, 0x26FA, 0x26FD, 0x2705, 0x270A...0x270B, 0x2728, 0x274C, 0x274E,
      0x2753...0x2755, 0x2757, 0x2795...0x2797, 0x27B0, 0x27BF, 0x2B1B...0x2B1C, 0x2B50, 0x2B55,
      0x2E80...0x303E, 0x3041...0x33FF, 0x3400...0x4DBF, 0x4E00...0x9FFF, 0xA000...0xA4CF,
      0xA960...0xA97F, 0xAC00...0xD7A3, 0xF900...0xFAFF, 0xFE10...0xFE19, 0xFE30...0xFE6F,
      0xFF00...0xFF60, 0xFFE0...0xFFE6, 0x16FE0...0x18DFF, 0x1AFF0...0x1B2FF, 0x1F004, 0x1F0CF,
      0x1F18E, 0x1F191...0x1F19A, 0x1F1E6...0x1F320, 0x1F32D...0x1F335, 0x1F337...0x1F37C,
      0x1F37E...0x1F393, 0x1F3A0...0x1F3CA, 0x1F3CF...0x1F3D3, 0x1F3E0...0x1F3F0, 0x1F3F4,
      0x1F3F8...0x1F43E, 0x1F440, 0x1F442...0x1F4FC, 0x1F4FF...0x1F53D, 0x1F54B...0x1F54E,
      0x1F550...0x1F567, 0x1F57A, 0x1F595...0x1F596, 0x1F5A4, 0x1F5FB...0x1F64F,
      0x1F680...0x1F6C5, 0x1F6CC, 0x1F6D0...0x1F6D2, 0x1F6D5...0x1F6DF, 0x1F6EB...0x1F6EC,
      0x1F6F4...0x1F6FC, 0x1F7E0...0x1F7EB, 0x1F7F0, 0x1F90C...0x1F9FF, 0x1FA70...0x1FAFF,
      0x20000...0x3FFFD:
      true
    default: false
    }
  }
}
