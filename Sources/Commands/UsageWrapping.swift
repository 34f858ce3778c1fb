import Foundation

/// Breaks the line of a usage text that names all options, which the parser leaves as long as it is.
enum UsageWrapping {
  /// A text with its usage lines broken before options to fit the columns.
  static func wrapped(_ text: String, columns: Int = columns) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let label = line.prefix { $0 != ":" }.lowercased()
      return label == "usage" ? broken(String(line), columns) : String(line)
    }.joined(separator: "\n")
  }

  /// The columns of the terminal, or those that the environment names.
  private static var columns: Int {
    if let named = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init) {
      return max(20, named)
    }
    var size = winsize()
    let isTerminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isTerminal ? max(20, Int(size.ws_col)) : 80
  }

  private static func broken(_ line: String, _ columns: Int) -> String {
    var lines: [String] = []
    var current = ""
    for part in parts(of: line) {
      if current.isEmpty {
        current = part
      } else if current.count + 1 + part.count <= columns {
        current += " " + part
      } else {
        lines.append(current)
        current = "  " + part
      }
    }
    return (lines + [current]).joined(separator: "\n")
  }

  /// What stays together: brackets with what is in them, an option with its value.
  private static func parts(of line: String) -> [String] {
    var parts: [String] = []
    var depth = 0
    for word in line.split(separator: " ") {
      let isValue = word.hasPrefix("<") && parts.last?.hasPrefix("--") == true
      if depth > 0 || isValue || word == "..." {
        parts[parts.count - 1] += " " + word
      } else {
        parts.append(String(word))
      }
      depth += word.count { $0 == "[" } - word.count { $0 == "]" }
    }
    return parts
  }
}
