import Charts

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
