import Charts
import Diagnostics
import Tokenizers

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

// MARK: - Runs as sections draw them

/// A run as all sections of a page draw it.
struct PageRun {
  /// Its place among the comparison's entries, which gives it its colour.
  let index: Int
  /// Its name.
  let name: String
  /// Its name at the end of a curve.
  let label: String
  /// Its quantizer.
  let quantizer: QuantizerPresentation
  /// Whether it is a tokenizer, or else a prior or a model of one's own.
  var isTokenizer: Bool { quantizer.isTokenizer && prior == nil }
  /// What was measured; nil where there were no images to measure it on.
  let run: EvaluatedRun?
  /// What tokens cost under it; nil where it is no prior.
  let prior: PriorRun?
  /// Its folder, as commands should name it.
  let folder: String
  /// The singular values of its layers; empty where its weights could not be read.
  let spectra: [LayerSpectrum]
  /// What else is known.
  let details: RunDetails
  /// Where it comes from.
  let facts: RunFacts
  /// What is made of it.
  let judgement: Judgement
  /// When it collapsed; nil where it was not evaluated.
  let onset: CollapseOnset?

  var style: SeriesStyle { SeriesStyle(index) }

  /// Its log.
  var history: RunHistory { details.history }

  /// A curve of the run; `change` is applied to every value.
  func line(
    _ kind: RunHistory.Kind, _ key: String, _ change: (Double) -> Double = { $0 }
  ) -> LineChart.Line {
    line(history[kind, key].mapped(change))
  }

  /// A series as the run's curve; of several curves the first one carries its label.
  func line(_ series: RunHistory.Series, variant: Int? = nil, name: String? = nil) -> LineChart.Line
  {
    .init(
      name ?? self.name, label: variant ?? 0 > 0 ? "" : label, SeriesStyle(index, variant: variant),
      series.points)
  }

  /// A noisy series as the means of windows, in a band from their least to their greatest value.
  func calmLine(
    _ series: RunHistory.Series, variant: Int? = nil, name: String? = nil
  ) -> LineChart.Line {
    let windows = 80
    guard series.values.count > 2 * windows else {
      return line(series, variant: variant, name: name)
    }
    var (means, lower, upper): ([Point], [Point], [Point]) = ([], [], [])
    for window in 0..<windows {
      let range =
        window * series.values.count / windows..<(window + 1) * series.values.count / windows
      let values = series.values[range]
      let x = Double(series.steps[(range.lowerBound + range.upperBound) / 2])
      means.append(Point(x, values.reduce(0, +) / Double(values.count)))
      lower.append(Point(x, values.min() ?? .nan))
      upper.append(Point(x, values.max() ?? .nan))
    }
    if let step = series.steps.last, let value = means.last?.y {
      means.append(Point(Double(step), value))
    }
    return .init(
      name ?? self.name, label: variant ?? 0 > 0 ? "" : label, SeriesStyle(index, variant: variant),
      means, band: (lower, upper))
  }
}

extension RunHistory.Series {
  /// The values as points of a curve.
  var points: [Point] { zip(steps, values).map { Point(Double($0), $1) } }
}

extension [PageRun] {
  /// The priors.
  var priors: [PageRun] { filter { $0.prior != nil } }

  /// The tokenizers and models of one's own.
  var others: [PageRun] { filter { $0.prior == nil } }

  /// The runs whose logs have lines of a kind.
  func telling(_ kind: RunHistory.Kind) -> [PageRun] {
    filter { !$0.history.keys(kind).isEmpty }
  }

  /// The runs that a measure belongs to.
  func having(_ measure: QuantizerPresentation.Measure) -> [PageRun] {
    filter { $0.quantizer.has(measure) }
  }

  /// A sentence on the runs whose logs have no lines of a kind; empty where all have.
  func silence(_ kind: RunHistory.Kind) -> String {
    let silent = filter { $0.history.keys(kind).isEmpty }
    return silent.isEmpty
      ? ""
      : "The log\(silent.count > 1 ? "s" : "") of \(silent.names) "
        + "\(silent.count > 1 ? "have" : "has") no ‘\(kind.rawValue)’ lines."
  }

  /// Names joined for a sentence.
  var names: String { map(\.name).joinedInWords }
}

extension [String] {
  /// "a, b and c".
  var joinedInWords: String {
    guard count > 1 else { return first ?? "" }
    return dropLast().joined(separator: ", ") + " and " + self[count - 1]
  }
}

/// Names short enough to stand at the ends of curves.
enum RunLabels {
  static let limit = 11

  /// A label for each name, all different: the names without what all begin with, cut in the middle
  /// where they are long, or the runs' numbers where that would make two alike.
  static func short(_ names: [String]) -> [String] {
    var labels = names
    if names.count > 1, names.contains(where: { $0.count > limit }) {
      let shared = commonBeginning(names)
      labels = names.map { String($0.dropFirst(shared)) }
    }
    labels = labels.map(cut)
    guard Set(labels).count == names.count, labels.allSatisfy({ !$0.isEmpty }) else {
      return names.indices.map { "run \($0 + 1)" }
    }
    return labels
  }

  private static func cut(_ name: String) -> String {
    guard name.count > limit else { return name }
    return name.prefix(5) + "…" + name.suffix(limit - 6)
  }

  /// How many characters all names begin with, up to and with a separator.
  private static func commonBeginning(_ names: [String]) -> Int {
    guard let first = names.first else { return 0 }
    var length = 0
    for (index, character) in first.enumerated() {
      let agreed = names.allSatisfy { name in
        name.count > index + 1 && name[name.index(name.startIndex, offsetBy: index)] == character
      }
      guard agreed else { break }
      if "-_./ ".contains(character) { length = index + 1 }
    }
    return length
  }
}

/// A table with a run a row, whose headings sort it.
struct RunTable {
  let caption: String
  var columns: [String] = []
  /// Columns of words, aligned to the left.
  var textColumns: Set<String> = []
  var rows: [(run: PageRun, cells: [String])] = []

  var html: String {
    let head = (["run"] + columns).map { title in
      "<th scope=\"col\"\(isText(title) ? " class=\"text\"" : "")>"
        + "<button type=\"button\" class=\"sort\">\(Markup.escaped(title))</button></th>"
    }.joined()
    let body = rows.map { run, cells in
      let data = zip(columns, cells).map { title, cell in
        "<td data-title=\"\(Markup.escaped(title))\"\(isText(title) ? " class=\"text\"" : "")>"
          + "\(Markup.escaped(cell))</td>"
      }.joined()
      return "<tr class=\"r\(run.index)\"><th scope=\"row\" class=\"name text\">"
        + "\(Markup.escaped(run.name))</th>\(data)</tr>"
    }.joined()
    return
      "<div class=\"wide\" tabindex=\"0\" role=\"group\" aria-label=\"\(Markup.escaped(caption))\">"
      + "<table class=\"key sortable\"><caption>\(Markup.escaped(caption))</caption>"
      + "<thead><tr>\(head)</tr></thead><tbody>\(body)</tbody></table></div>"
  }

  private func isText(_ title: String) -> Bool { title == "run" || textColumns.contains(title) }
}
