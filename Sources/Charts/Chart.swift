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

/// A point of a curve; a `y` that is not finite is a gap.
public struct Point: Sendable, Equatable {
  /// Along the horizontal axis.
  public var x: Double
  /// Along the vertical axis.
  public var y: Double

  /// A point.
  public init(_ x: Double, _ y: Double) {
    self.x = x
    self.y = y
  }
}

/// A chart on a page: title, what it shows, legend, picture, and its numbers to unfold.
public struct Figure {
  /// What is drawn.
  public var title: String
  /// What it means, in a sentence or two; may be empty.
  public var note: String
  /// The picture.
  public var chart: any Chart
  /// The class of the subject that the whole figure is about, if it is about one.
  public var subject: SeriesStyle?

  /// A figure.
  public init(
    _ title: String, note: String = "", subject: SeriesStyle? = nil, _ chart: any Chart
  ) {
    self.title = title
    self.note = note
    self.subject = subject
    self.chart = chart
  }

  /// The figure's anchor: its title in lower case, and whose it is.
  public var anchor: String {
    var words = ""
    for character in title.lowercased() {
      let isWord = character.isASCII && (character.isLetter || character.isNumber)
      if isWord { words.append(character) } else if words.last != "-" { words.append("-") }
    }
    let name = words.split(separator: "-").joined(separator: "-").prefix(60)
    return "fig-\(name)" + (subject.map { "-r\($0.index)" } ?? "")
  }

  /// The figure as HTML; empty where there is nothing to draw.
  public var html: String {
    guard !chart.isEmpty else { return "" }
    let about = subject.map { " about \($0.classes)" } ?? ""
    let entries = chart.legend
    let legend =
      entries.isEmpty ? "" : "<ul class=\"legend\">\(entries.map(\.html).joined())</ul>"
    let words = note.isEmpty ? "" : "<p>\(Markup.escaped(note))</p>"
    return "<figure class=\"plot\(about)\" id=\"\(anchor)\"><figcaption>"
      + "<h3>\(Markup.escaped(title))</h3>\(words)</figcaption>\(legend)"
      + "<div class=\"picture\">\(chart.svg)</div>"
      + reading(chart, hasLegend: !entries.isEmpty)
      + "<details><summary>Data</summary><p class=\"actions\">"
      + "<button type=\"button\" class=\"csv scripted\">Download CSV</button>"
      + "<a href=\"#\(anchor)\">Link to this figure</a></p>"
      + "<div class=\"scroll\" tabindex=\"0\" role=\"group\" aria-label=\"Data\">"
      + "\(chart.table.html)</div></details></figure>"
  }

  /// The numbers for the script, and where it says what is read: a legend shows values itself, so
  /// that beside one they are only spoken.
  private func reading(_ chart: any Chart, hasLegend: Bool) -> String {
    guard let reading = chart.reading else { return "" }
    return "<p class=\"reading\(hasLegend ? " spoken" : "")\" aria-live=\"polite\"></p>"
      + "<script type=\"application/json\">\(reading)</script>"
  }
}

extension LineChart {
  /// The picture as an SVG file of its own, with a title above and its colours within, for a light
  /// ground and a dark one.
  ///
  /// Browsers draw it, also as an image on a page; nothing of the page's style reaches it.
  public func file(title: String) -> String {
    let subjects = (lines.map(\.style.index).max() ?? 0) + 1
    let (top, margin) = (26.0, 8.0)
    let (width, height) = (Frame.width + 2 * margin, frame.height + top + margin)
    let n = Markup.coordinate
    return """
      <svg class="chart" xmlns="http://www.w3.org/2000/svg" \
      style="width:\(n(2 * width))px;height:\(n(2 * height))px" \
      viewBox="\(n(-margin)) \(n(-top)) \(n(width)) \(n(height))" \
      role="img" aria-label="\(Markup.escaped(summary))">
      <style>\(ChartStyle.picture(subjects: subjects))</style>
      <rect class="sheet" x="\(n(-margin))" y="\(n(-top))" width="\(n(width))" height="\(n(height))"/>
      <text class="title" x="0" y="-10">\(Markup.escaped(title))</text>
      \(content)
      </svg>

      """
  }
}
