import Foundation
import Synchronization

/// Text from elsewhere, such as names of files, keys and metadata, as a terminal may show it.
///
/// A control character moves the cursor, changes the title or begins a line of its own; a mark of
/// direction turns round what is read. Both are written as Swift writes them: `\n`, `\u{1b}`.
public enum VisibleText {
  /// The text on one line.
  public static func line(_ text: String) -> String { escaped(text, keepsLines: false) }

  /// The text in the lines that it has; everything else is escaped as in `line`.
  public static func lines(_ text: String) -> String { escaped(text, keepsLines: true) }

  private static func escaped(_ text: String, keepsLines: Bool) -> String {
    func isKept(_ scalar: Unicode.Scalar) -> Bool {
      scalar == "\n" ? keepsLines : isHarmless(scalar)
    }
    guard !text.unicodeScalars.allSatisfy(isKept) else { return text }
    var result = ""
    for scalar in text.unicodeScalars {
      if isKept(scalar) {
        result.unicodeScalars.append(scalar)
      } else {
        result += escape(scalar)
      }
    }
    return result
  }

  private static func isHarmless(_ scalar: Unicode.Scalar) -> Bool {
    switch scalar.value {
    case 0x20...0x7E: true
    // Controls, the marks and overrides of direction, separators of lines and paragraphs,
    // and what has no width at all; joiners stay, names in many scripts and emoji need them.
    case 0...0x1F, 0x7F...0x9F, 0x61C, 0x200B, 0x200E, 0x200F, 0x2028...0x202E, 0x2060...0x206F,
      0xFEFF, 0xFFF9...0xFFFB, 0xE0000...0xE0FFF:
      false
    default: true
    }
  }

  private static func escape(_ scalar: Unicode.Scalar) -> String {
    switch scalar {
    case "\n": "\\n"
    case "\r": "\\r"
    case "\t": "\\t"
    default: "\\u{" + String(scalar.value, radix: 16) + "}"
    }
  }
}

/// What the commands are called in messages: `train` where each is a program of its own, and
/// `tessera train` where they are subcommands of one.
public enum CommandName {
  /// The program whose subcommands they are; nil where each is its own.
  public static var family: String? {
    get { state.withLock { $0 } }
    set { state.withLock { $0 = newValue } }
  }

  private static let state = Mutex<String?>(nil)

  /// A command as its user types it.
  public static func typed(_ command: String) -> String {
    family.map { "\($0) \(command)" } ?? command
  }
}

/// A path with `~` at its start replaced by a home folder, as shells do: `~/photos`, `~name/photos`.
///
/// A path whose `~` names no user is left unchanged; a folder that is called `~` is `./~`.
public func expandingHome(_ path: String) -> String {
  guard path.hasPrefix("~") else { return path }
  let end = path.firstIndex(of: "/") ?? path.endIndex
  let user = path[..<end].dropFirst()
  guard let home = user.isEmpty ? ownHome : homeFolder(of: String(user)) else { return path }
  return (home.hasSuffix("/") ? String(home.dropLast()) : home) + path[end...]
}

/// The home folder of whoever runs the program, as the environment names it.
private var ownHome: String? {
  if let home = ProcessInfo.processInfo.environment["HOME"], !home.isEmpty { return home }
  return NSHomeDirectory()
}

/// The home folder of a user of the system; nil where there is no such user.
private func homeFolder(of user: String) -> String? {
  guard let entry = getpwnam(user), let folder = entry.pointee.pw_dir else { return nil }
  return String(cString: folder)
}
