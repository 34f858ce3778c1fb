import FileTestSupport
import Foundation

/// A command run on a terminal of a certain width, and what stands on its screen in the end.
struct PseudoTerminal {
  /// All that the command wrote to the terminal.
  let output: String
  /// The exit code.
  let code: Int32
  /// Seconds until the first byte came.
  let firstOutput: Double

  /// What could not be opened.
  struct Unavailable: Error {}

  /// Runs a command whose standard error is the terminal.
  ///
  /// - Parameters:
  ///   - narrowing: the width that the window takes on once a step is told; nil to leave it.
  ///   - signal: what it is sent once `words` stand there.
  static func run(
    _ command: String, _ arguments: [String], columns: Int, narrowing: Int? = nil,
    sending signal: Int32? = nil, after words: String = "",
    environment: [String: String] = ["TERM": "xterm"]
  ) throws -> PseudoTerminal {
    var (main, side): (Int32, Int32) = (-1, -1)
    guard openpty(&main, &side, nil, nil, nil) == 0 else { throw Unavailable() }
    func resize(_ columns: Int) {
      var size = winsize(ws_row: 24, ws_col: UInt16(columns), ws_xpixel: 0, ws_ypixel: 0)
      _ = ioctl(main, UInt(TIOCSWINSZ), &size)
    }
    resize(columns)
    let process = Process()
    process.executableURL = CommandRunner.buildFolder.appendingPathComponent(command)
    process.arguments = arguments
    var variables = ProcessInfo.processInfo.environment
    for name in ["TMUX", "VTE_VERSION", "TERM_PROGRAM", "COLUMNS"] { variables[name] = nil }
    process.environment = variables.merging(environment) { $1 }
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = FileHandle(fileDescriptor: side)
    process.standardError = FileHandle(fileDescriptor: side)
    let began = ContinuousClock.now
    try process.run()
    close(side)
    var (bytes, first) = ([UInt8](), 0.0)
    var buffer = [UInt8](repeating: 0, count: 65536)
    var isNarrow = narrowing == nil
    var isSent = signal == nil
    while true {
      let count = read(main, &buffer, buffer.count)
      guard count > 0 else { break }
      if bytes.isEmpty { first = began.duration(to: .now) / .seconds(1) }
      bytes += buffer[..<count]
      if !isNarrow, String(decoding: bytes, as: UTF8.self).contains(" left") {
        isNarrow = true
        resize(narrowing!)
      }
      if !isSent, String(decoding: bytes, as: UTF8.self).contains(words) {
        isSent = true
        kill(process.processIdentifier, signal!)
      }
    }
    process.waitUntilExit()
    close(main)
    return PseudoTerminal(
      output: String(decoding: bytes, as: UTF8.self), code: process.terminationStatus,
      firstOutput: first)
  }

  /// The progress lines as they were drawn, one after another.
  var drawn: [String] {
    output.replacingOccurrences(of: "\u{1b}[K", with: "").replacingOccurrences(
      of: "\r\n", with: "\n"
    )
    .split(separator: "\n").flatMap { $0.split(separator: "\r") }.map(String.init)
  }

  /// The rows of the screen in the end, without what was drawn over; long lines are not broken.
  var screen: [String] {
    var rows: [[Character]] = [[]]
    var column = 0
    var text = output.replacingOccurrences(of: "\r\n", with: "\n")[...]
    while let character = text.popFirst() {
      switch character {
      case "\n":
        rows.append([])
        column = 0
      case "\r": column = 0
      case "\u{1b}":
        guard text.hasPrefix("[K") else { continue }
        text = text.dropFirst(2)
        rows[rows.count - 1].removeSubrange(min(column, rows[rows.count - 1].count)...)
      default:
        let row = rows.count - 1
        if column < rows[row].count {
          rows[row][column] = character
        } else {
          rows[row].append(character)
        }
        column += 1
      }
    }
    return rows.map { String($0) }
  }
}
