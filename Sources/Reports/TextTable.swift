import Configuration

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
