import Charts

/// A part of the page that folds: a heading, what it is about, and figures.
struct PageSection {
  /// The anchor.
  let id: String
  /// The heading.
  let title: String
  /// What the contents call it.
  let short: String
  /// What it is about; may be empty.
  var introduction = ""
  /// Whether it is unfolded when the page opens.
  var isOpen = true
  /// What follows, as HTML.
  let content: String

  var html: String {
    let words =
      introduction.isEmpty ? "" : "<p class=\"introduction\">\(Markup.escaped(introduction))</p>"
    return "<section id=\"\(id)\" aria-labelledby=\"\(id)-title\"><details class=\"fold\""
      + (isOpen ? " open" : "") + "><summary><h2 id=\"\(id)-title\">\(Markup.escaped(title))</h2>"
      + "</summary>\(words)\(content)</details></section>"
  }

  /// Figures side by side; empty ones are omitted.
  static func grid(_ figures: [String]) -> String {
    let shown = figures.filter { !$0.isEmpty }
    return shown.isEmpty ? "" : "<div class=\"figures\">\(shown.joined(separator: "\n"))</div>"
  }

  /// Something within a section that is folded when the page opens.
  static func folded(_ title: String, _ content: String) -> String {
    content.isEmpty
      ? ""
      : "<details class=\"more\"><summary>\(Markup.escaped(title))</summary>\(content)</details>"
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
  var references: [LineChart.Reference] = []
  var events: [LineChart.Event] = []
  var decimals: Int?
  var axis: (title: String, kind: Scale.Kind) = ("step", .linear)
  /// Which runs could have the numbers, in words that follow "of".
  var source = "log"

  /// The figure, or nothing where no run has the numbers; runs without them are named.
  func html(_ runs: [PageRun], _ line: (PageRun) -> LineChart.Line?) -> String {
    html(runs) { run in line(run).map { [$0] } ?? [] }
  }

  /// The same with several curves a run.
  func html(_ runs: [PageRun], _ curves: (PageRun) -> [LineChart.Line]) -> String {
    var lines: [LineChart.Line] = []
    var missing: [PageRun] = []
    for run in runs {
      let own = curves(run).filter { !$0.points.isEmpty }
      if own.isEmpty { missing.append(run) } else { lines += own }
    }
    let ends = lines.map { line in
      "\(line.name) ends at \(NumberLabel.value(line.points.last { $0.y.isFinite }?.y ?? .nan))"
    }
    let chart = LineChart(
      summary: "\(title) over \(axis.title): \(ends.joined(separator: ", "))", lines,
      horizontal: axis, vertical: vertical, including: including, references: references,
      events: events, decimals: decimals)
    let absent = missing.isEmpty ? "" : "Not in the \(source) of \(missing.names)."
    return Figure(title, note: [note, absent].filter { !$0.isEmpty }.joined(separator: " "), chart)
      .html
  }
}
