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

  /// The figure as HTML; `missing` is said in place of a picture where there is nothing to draw.
  public func html(missing: String = "no data") -> String {
    let heading = "<figcaption><h3>\(Markup.escaped(title))</h3>"
    let about = subject.map { " about \($0.classes)" } ?? ""
    guard !chart.isEmpty else {
      return "<figure class=\"absent\(about)\">\(heading)<p>\(Markup.escaped(missing))</p>"
        + "</figcaption></figure>"
    }
    let entries = chart.legend
    let legend =
      entries.isEmpty ? "" : "<ul class=\"legend\">\(entries.map(\.html).joined())</ul>"
    let words = note.isEmpty ? "" : "<p>\(Markup.escaped(note))</p>"
    return "<figure class=\"plot\(about)\">\(heading)\(words)</figcaption>\(legend)"
      + "<div class=\"picture\">\(chart.svg)</div>"
      + reading(chart, hasLegend: !entries.isEmpty)
      + "<details><summary>Numbers</summary><div class=\"scroll\">\(chart.table.html)</div></details>"
      + "</figure>"
  }
  /// The numbers for the script, and where it says what is read: a legend shows values itself, so
  /// that beside one they are only spoken.
  private func reading(_ chart: any Chart, hasLegend: Bool) -> String {
    guard let reading = chart.reading else { return "" }
    return "<p class=\"reading\(hasLegend ? " spoken" : "")\" aria-live=\"polite\"></p>"
      + "<script type=\"application/json\">\(reading)</script>"
  }
}
