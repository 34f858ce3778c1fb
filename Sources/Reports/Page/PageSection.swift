import Charts

/// A part of the page: a heading, what it is about, and figures.
struct PageSection {
  /// The anchor.
  let id: String
  /// The heading.
  let title: String
  /// What it is about; may be empty.
  let introduction: String
  /// What follows, as HTML.
  let content: String

  var html: String {
    let words =
      introduction.isEmpty ? "" : "<p class=\"introduction\">\(Markup.escaped(introduction))</p>"
    return "<section id=\"\(id)\" aria-labelledby=\"\(id)-title\"><h2 id=\"\(id)-title\">"
      + "\(Markup.escaped(title))</h2>\(words)\(content)</section>"
  }

  /// Figures side by side.
  static func grid(_ figures: [String]) -> String {
    "<div class=\"figures\">\(figures.joined(separator: "\n"))</div>"
  }

  /// A line in place of figures.
  static func absence(_ words: String) -> String {
    "<p class=\"absence\">\(Markup.escaped(words))</p>"
  }
}

/// One figure with a curve for each run.
struct RunFigure {
  var title: String
  var note = ""
  var vertical = Scale.Kind.linear
  var including: [Double] = []
  var range: ClosedRange<Double>?
  var references: [LineChart.Reference] = []
  var events: [LineChart.Event] = []
  var decimals: Int?
  var axis: (title: String, kind: Scale.Kind) = ("step", .linear)
  /// Which runs could have the numbers, in words that follow "of"; for the line where none has.
  var source = "journal"

  /// The figure; runs without the numbers are named.
  func html(_ runs: [PageRun], _ line: (PageRun) -> LineChart.Line) -> String {
    var lines: [LineChart.Line] = []
    var missing: [PageRun] = []
    for run in runs {
      let line = line(run)
      if line.points.isEmpty { missing.append(run) } else { lines.append(line) }
    }
    let ends = lines.map { line in
      "\(line.name) ends at \(NumberLabel.value(line.points.last { $0.y.isFinite }?.y ?? .nan))"
    }
    let chart = LineChart(
      summary: "\(title) over \(axis.title): \(ends.joined(separator: ", "))", lines,
      horizontal: axis, vertical: vertical, including: including, range: range,
      references: references, events: events, decimals: decimals)
    let absent = missing.isEmpty ? "" : "Not in the \(source) of \(missing.names)."
    return Figure(title, note: [note, absent].filter { !$0.isEmpty }.joined(separator: " "), chart)
      .html(missing: "Not in the \(source) of \(runs.names).")
  }
}
