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
