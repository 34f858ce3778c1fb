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
