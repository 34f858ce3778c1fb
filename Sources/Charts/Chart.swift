/// A picture of numbers, and the same numbers for those who read them.
public protocol Chart {
  /// The picture.
  var svg: String { get }
  /// What stands above it: each curve's name and its last value; empty where nothing needs naming.
  var legend: [LegendEntry] { get }
  /// The numbers in rows, few enough to be read.
  var table: DataTable { get }
  /// The numbers for the page's script, a JSON object; nil where the script has nothing to tell.
  var reading: String? { get }
  /// Whether there is anything to draw.
  var isEmpty: Bool { get }
}

/// A name beside a piece of the line that it names.
public struct LegendEntry: Sendable, Equatable {
  /// What is drawn so.
  public var name: String
  /// How it is drawn.
  public var style: SeriesStyle
  /// Its last value, as text.
  public var value: String

  /// An entry.
  public init(_ name: String, _ style: SeriesStyle, value: String = "") {
    self.name = name
    self.style = style
    self.value = value
  }

  var html: String {
    "<li class=\"\(style.classes)\"><svg viewBox=\"0 0 26 10\" aria-hidden=\"true\">"
      + "<path class=\"line\" d=\"M1 5H25\"/></svg>\(Markup.escaped(name))"
      + (value.isEmpty ? "" : " <b>\(Markup.escaped(value))</b>") + "</li>"
  }
}

/// Rows of text under a heading each.
public struct DataTable: Sendable, Equatable {
  /// The columns' headings.
  public var header: [String]
  /// The rows, a cell for each column.
  public var rows: [[String]]

  /// A table.
  public init(_ header: [String], _ rows: [[String]]) {
    self.header = header
    self.rows = rows
  }

  var html: String {
    let head = header.map { "<th scope=\"col\">\(Markup.escaped($0))</th>" }.joined()
    let body = rows.map { row in
      "<tr>"
        + row.enumerated().map { column, cell in
          column == 0
            ? "<th scope=\"row\">\(Markup.escaped(cell))</th>"
            : "<td>\(Markup.escaped(cell))</td>"
        }.joined() + "</tr>"
    }.joined()
    return "<table><thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table>"
  }
}
