/// A rectangle of coloured cells: rows are things, columns places on an axis, colours -1...1.
public struct HeatMap: Chart {
  /// Columns that are drawn at most; of more, the values of neighbours are averaged.
  public static let columnLimit = 72

  /// A sentence on what is to be seen.
  public let summary: String
  /// The rows' names, from the top.
  public let rows: [String]
  /// Where the columns are: the last place of those that a column stands for.
  public let columns: [Double]
  /// `values[row][column]`; NaN where there is none.
  public let values: [[Double]]
  /// What the columns are.
  public let axis: String
  /// Columns that are marked above, why, and how often; what is frequent is marked darker.
  public let flags: [(column: Int, title: String, count: Int)]

  private let rowHeight = 14.0
  private let top = 12.0

  /// A map of `values[row][column]`.
  public init(
    summary: String, rows: [String], columns: [Double], values: [[Double]], axis: String,
    flags: [(x: Double, title: String)] = []
  ) {
    self.summary = summary
    self.axis = axis
    // A shape that does not fit is cut to what does.
    let height = min(rows.count, values.count)
    let width = min(columns.count, values.prefix(height).map(\.count).min() ?? 0)
    self.rows = Array(rows.prefix(height))
    let size = max(1, (width + Self.columnLimit - 1) / Self.columnLimit)
    let starts = Array(stride(from: 0, to: width, by: size))
    self.columns = starts.map { columns[min($0 + size, width) - 1] }
    self.values = values.prefix(height).map { row in
      starts.map { start in
        let known = row[start..<min(start + size, width)].filter(\.isFinite)
        return known.isEmpty ? .nan : known.reduce(0, +) / Double(known.count)
      }
    }
    let places = self.columns
    var marked: [Int: [String]] = [:]
    for flag in flags {
      guard let column = places.firstIndex(where: { flag.x <= $0 }) else { continue }
      marked[column, default: []].append(flag.title)
    }
    self.flags = marked.sorted { $0.key < $1.key }.map { column, titles in
      (
        column, titles.count > 1 ? "\(titles[0]) and \(titles.count - 1) more" : titles[0],
        titles.count
      )
    }
  }

  /// Whether there is no cell with a value.
  public var isEmpty: Bool { !values.contains { $0.contains(where: \.isFinite) } }
  /// The rows name themselves.
  public var legend: [LegendEntry] { [] }

  private var left: Double {
    min(130, (rows.map { Frame.width(of: $0) }.max() ?? 0) + 8)
  }
  private var right: Double { 8 }
  private var height: Double { top + Double(rows.count) * rowHeight + 61 }
  private var cellWidth: Double {
    (Frame.width - left - right) / Double(max(1, columns.count))
  }

  /// The picture: one path a colour.
  public var svg: String {
    let n = Markup.coordinate
    var paths = [String](repeating: "", count: ColourRamp.steps)
    for (row, cells) in values.enumerated() {
      let y = top + Double(row) * rowHeight
      var column = 0
      while column < cells.count {
        guard cells[column].isFinite else {
          column += 1
          continue
        }
        let step = ColourRamp.step(cells[column])
        var end = column + 1
        while end < cells.count, cells[end].isFinite, ColourRamp.step(cells[end]) == step {
          end += 1
        }
        let (x, width) = (left + Double(column) * cellWidth, Double(end - column) * cellWidth)
        paths[step] += "M\(n(x)) \(n(y))h\(n(width + 0.2))v\(n(rowHeight - 1))h-\(n(width + 0.2))z"
        column = end
      }
    }
    let cells = paths.enumerated().filter { !$0.element.isEmpty }
      .map { "<path class=\"mark h\($0.offset)\" d=\"\($0.element)\"/>" }.joined()
    let names = rows.enumerated().map { row, name in
      "<text class=\"end\" x=\"\(n(left - 6))\" y=\"\(n(top + Double(row) * rowHeight + 10.5))\">"
        + "\(Markup.escaped(name))</text>"
    }.joined()
    let most = Double(flags.map(\.count).max() ?? 1)
    let marks = flags.map { flag in
      let x = left + (Double(flag.column) + 0.5) * cellWidth
      return "<g class=\"simpson\"><title>\(Markup.escaped(flag.title))</title>"
        + "<path style=\"opacity:\(n(max(0.2, Double(flag.count) / most)))\" "
        + "d=\"M\(n(x - 3)) 2h6l-3 7z\"/></g>"
    }.joined()
    return Frame.svg(
      height: height, summary: summary,
      "<g class=\"labels\">\(names)\(columnLabels)</g>\(cells)\(marks)\(scaleBar)")
  }

  private var columnLabels: String {
    let n = Markup.coordinate
    let y = top + Double(rows.count) * rowHeight + 13
    var labels = ""
    var end = -Double.infinity
    let ends = Scale(.linear, from: columns.first ?? 0, to: columns.last ?? 1)
    for tick in ends.ticks(atMost: 5) {
      guard let place = place(of: tick.value) else { continue }
      let half = Frame.width(of: tick.label) / 2
      let x = min(max(place, left + half), Frame.width - half - 1)
      guard x - half > end else { continue }
      end = x + half + 6
      labels +=
        "<text class=\"middle\" x=\"\(n(x))\" y=\"\(n(y))\">\(Markup.escaped(tick.label))</text>"
    }
    return labels
      + "<text class=\"middle\" x=\"\(n((left + Frame.width - right) / 2))\" y=\"\(n(y + 14))\">"
      + "\(Markup.escaped(axis))</text>"
  }

  /// Where a number lies among the columns' middles; nil beyond the first and the last.
  private func place(of value: Double) -> Double? {
    guard let next = columns.firstIndex(where: { $0 >= value }) else { return nil }
    let (after, before) = (columns[next], next > 0 ? columns[next - 1] : columns[next])
    guard next > 0 || value >= after * (1 - 1e-9) else { return nil }
    let part = after > before ? (value - before) / (after - before) : 1
    return left + (Double(max(0, next - 1)) + (next > 0 ? part : 0) + 0.5) * cellWidth
  }

  /// The colours and the numbers they stand for.
  private var scaleBar: String {
    let n = Markup.coordinate
    let y = height - 25
    let width = (Frame.width - left - right) / Double(ColourRamp.steps)
    let cells = (0..<ColourRamp.steps).map { step in
      "<path class=\"h\(step)\" d=\"M\(n(left + Double(step) * width)) \(n(y))h\(n(width + 0.3))v7"
        + "h-\(n(width + 0.3))z\"/>"
    }.joined()
    let labels = [(-1.0, "-1"), (0, "0"), (1, "1")].map { value, text in
      let x = left + (value + 1) / 2 * (Frame.width - left - right)
      let place = min(max(x, left + 4), Frame.width - 5)
      return "<text class=\"middle\" x=\"\(n(place))\" y=\"\(n(y + 19))\">\(text)</text>"
    }.joined()
    return cells + "<g class=\"labels\">\(labels)</g>"
  }

  /// Every row at the first, the middle and the last column.
  public var table: DataTable {
    let shown = Set([0, columns.count / 3, 2 * columns.count / 3, columns.count - 1])
      .filter { $0 >= 0 && $0 < columns.count }.sorted()
    return DataTable(
      ["row"] + shown.map { "\(axis) \(NumberLabel.value(columns[$0], digits: 7))" },
      zip(rows, values).map { name, cells in
        [name] + shown.map { NumberLabel.value(cells[$0], digits: 3) }
      })
  }

  /// Cells, rows and columns.
  public var reading: String? {
    let n = Markup.coordinate
    let cells = values.map { row in
      "["
        + row.map { $0.isFinite ? Markup.jsonNumber(($0 * 100).rounded() / 100) : "null" }
        .joined(separator: ",") + "]"
    }
    return "{\"kind\":\"heat\",\"left\":\(n(left)),\"top\":\(n(top)),"
      + "\"width\":\(cellWidth),\"height\":\(n(rowHeight)),"
      + "\"title\":\(Markup.jsonString(axis)),"
      + "\"rows\":[\(rows.map(Markup.jsonString).joined(separator: ","))],"
      + "\"columns\":[\(columns.map { Markup.jsonNumber($0, digits: 7) }.joined(separator: ","))],"
      + "\"values\":[\(cells.joined(separator: ","))]}"
  }
}
