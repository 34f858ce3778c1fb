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
