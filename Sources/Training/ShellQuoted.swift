import Configuration
import Foundation

/// A path as a shell takes it; one with control characters as bash, zsh and ksh do.
public func shellQuoted(_ path: String) -> String {
  if !path.isEmpty, path.allSatisfy({ $0.isLetter || $0.isNumber || "/._-".contains($0) }) {
    return path
  }
  if path == VisibleText.line(path) {
    return "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
  return "$'"
    + path.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
      case 0x20..<0x7F: String(UnicodeScalar(byte))
      default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }.joined() + "'"
}
