import Configuration
import Formatting

/// A table of plain text, aligned for a terminal.
///
/// Each row is one subject; each column one property of it. Where the rows are too wide the table
/// is turned over, a subject a column; where that is too wide too, it comes in pieces.
public struct TextTable: Sendable {
  /// A property.
  public struct Column: Sendable {
    /// What it is called.
    public var title: String
    /// Whether it is text, aligned to the left; numbers are aligned to the right.
    public var isText: Bool

    /// A property of numbers, or of text.
    public init(_ title: String, isText: Bool = false) {
      self.title = title
      self.isText = isText
    }
  }

  /// The properties; the first names the subject.
  public let columns: [Column]
  /// The subjects, a cell for each column.
  public private(set) var rows: [[String]] = []

  private static let gap = "  "

  /// A table without rows.
  public init(_ columns: [Column]) {
    precondition(!columns.isEmpty, "a table has a column")
    self.columns = columns
  }

  /// Adds a subject, a cell for each column; control characters in a cell are escaped.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == columns.count, "a cell for each column")
    rows.append(cells.map(VisibleText.line))
  }

  /// The table in lines of at most `width` characters, if any layout allows it.
  public func text(width: Int) -> String {
    let upright = lines(
      header: columns.map(\.title), rows, alignRight: columns.map { !$0.isText })
    if upright.allSatisfy({ $0.count <= width }) { return upright.joined(separator: "\n") }
    return pieces(width: width).map { turned($0).joined(separator: "\n") }
      .joined(separator: "\n\n")
  }

  /// The subjects that fit side by side, one at least in each piece.
  private func pieces(width: Int) -> [ArraySlice<[String]>] {
    let titles = columns.map(\.title.count).max() ?? 0
    var pieces: [ArraySlice<[String]>] = []
    var (start, used) = (0, titles)
    for (index, row) in rows.enumerated() {
      let needed = Self.gap.count + (row.map(\.count).max() ?? 0)
      if index > start, used + needed > width {
        pieces.append(rows[start..<index])
        (start, used) = (index, titles)
      }
      used += needed
    }
    return pieces + [rows[start...]]
  }

  private func turned(_ subjects: ArraySlice<[String]>) -> [String] {
    let body = columns.indices.dropFirst().map { column in
      [columns[column].title] + subjects.map { $0[column] }
    }
    return lines(
      header: [columns[0].title] + subjects.map { $0[0] }, Array(body),
      alignRight: [false] + subjects.map { _ in true })
  }

  private func lines(header: [String], _ body: [[String]], alignRight: [Bool]) -> [String] {
    let widths = header.indices.map { column in
      ([header] + body).map { $0[column].count }.max() ?? 0
    }
    func line(_ cells: [String]) -> String {
      let padded = cells.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - cells[column].count)
        return alignRight[column] ? space + cells[column] : cells[column] + space
      }
      let line = padded.joined(separator: Self.gap)
      return String(line.reversed().drop { $0 == " " }.reversed())
    }
    let rule = widths.map { String(repeating: "-", count: $0) }.joined(separator: Self.gap)
    return [line(header), rule] + body.map(line)
  }
}

/// A table as Markdown: text to the left, numbers to the right, aligned for reading as it is.
public struct MarkdownTable {
  private var rows: [[String]]
  private let textColumns: Int

  /// A table of the given columns, of which the first few are text.
  public init(_ titles: [String], textColumns: Int = 1) {
    rows = [titles]
    self.textColumns = textColumns
  }

  /// Adds a row, a cell for each column.
  public mutating func add(_ cells: [String]) {
    precondition(cells.count == rows[0].count, "a cell for each column")
    rows.append(cells)
  }

  /// The lines.
  public var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max()! }
    let lines = rows.map { row in
      let cells = row.indices.map { column in
        let space = String(repeating: " ", count: widths[column] - row[column].count)
        return column < textColumns ? row[column] + space : space + row[column]
      }
      return "| " + cells.joined(separator: " | ") + " |"
    }
    let rule = widths.indices.map { column in
      let dashes = String(repeating: "-", count: max(1, widths[column] - 1))
      return column < textColumns ? dashes + "-" : dashes + ":"
    }
    return ([lines[0], "| " + rule.joined(separator: " | ") + " |"] + lines.dropFirst())
      .joined(separator: "\n")
  }
}

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

/// Numbers in the tables of reports, where some are missing.
enum NumberText {
  /// A number with so many decimals; `-` if there is none, `inf` where nothing differs.
  static func decimals(_ value: Double?, _ digits: Int) -> String {
    guard let value, !value.isNaN else { return "-" }
    guard value.isFinite else { return value < 0 ? "-inf" : "inf" }
    return Display.decimals(value, digits)
  }

  /// A number with three significant digits.
  static func significant(_ value: Double?) -> String {
    guard let value, !value.isNaN else { return "-" }
    return Display.significant(value, 3)
  }

  /// A share as a percentage: one decimal, two below 1 %.
  static func percent(_ share: Double?) -> String {
    guard let share, !share.isNaN else { return "-" }
    return Display.decimals(share * 100, share < 0.01 ? 2 : 1) + "%"
  }
}
