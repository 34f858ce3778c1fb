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
