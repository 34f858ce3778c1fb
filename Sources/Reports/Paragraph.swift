import Configuration

/// Text broken into lines between words.
enum Paragraph {
  /// The text after a label; further lines begin under the text's first word.
  ///
  /// Control characters of both are escaped.
  static func labelled(_ label: String, _ text: String, labelWidth: Int, width: Int) -> String {
    let indentation = String(repeating: " ", count: labelWidth)
    let label = VisibleText.line(label)
    var line = label + String(repeating: " ", count: max(0, labelWidth - label.count))
    var lines: [String] = []
    var isEmpty = true
    for word in VisibleText.lines(text).split(whereSeparator: { $0 == " " || $0 == "\n" }) {
      if !isEmpty, line.count + 1 + word.count > width {
        lines.append(line)
        line = indentation
        isEmpty = true
      }
      line += (isEmpty ? "" : " ") + word
      isEmpty = false
    }
    return (lines + [line]).joined(separator: "\n")
  }
}
