extension LineChart {
  /// The picture.
  public var svg: String {
    Frame.svg(height: frame.height, summary: summary, kind: "lines", content)
  }

  /// All that is drawn, axes included.
  var content: String {
    let bands = lines.map(band).joined()
    let curves = lines.map(curve).joined()
    let labels = lines.compactMap { line -> Frame.EndLabel? in
      guard !line.label.isEmpty, let last = line.points.last(where: { frame.y($0.y).isFinite })
      else { return nil }
      let y = min(max(frame.y(last.y), frame.top), frame.height - frame.bottom)
      return .init(text: line.label, x: frame.x(last.x), y: y, style: line.style)
    }
    // Words about levels lie on the curves, with a rim of the ground's colour.
    return frame.axes + levels.lines + events.map(event).joined() + bands + curves + levels.labels
      + (Self.named.contains(lines.count) ? frame.endLabels(labels) : "")
  }

  private func curve(_ line: Line) -> String {
    var path = ""
    var dots = ""
    var stretch: [String] = []
    func flush() {
      if stretch.count == 1 {
        let place = stretch[0].split(separator: " ")
        dots += "<circle class=\"mark dot\" cx=\"\(place[0])\" cy=\"\(place[1])\" r=\"2.5\"/>"
      } else if !stretch.isEmpty {
        path += "M" + stretch.joined(separator: " ")
      }
      stretch = []
    }
    for point in line.points {
      let (x, y) = (frame.x(point.x), frame.y(point.y))
      guard x.isFinite, y.isFinite else {
        flush()
        continue
      }
      let inside = min(max(y, frame.top - 4), frame.height - frame.bottom + 2)
      stretch.append("\(Markup.coordinate(x)) \(Markup.coordinate(inside))")
    }
    flush()
    let last = line.points.last { $0.y.isFinite }
    let title = "\(line.name): \(text(last?.y ?? .nan)) at the end"
    return "<g class=\"s \(line.style.classes)\"><title>\(Markup.escaped(title))</title>"
      + (path.isEmpty ? "" : "<path class=\"mark line\" d=\"\(path)\"/>") + dots
      + (line.highlight.map(ring) ?? "") + "</g>"
  }

  private func band(_ line: Line) -> String {
    guard let band = line.band else { return "" }
    func places(_ points: [Point]) -> [String] {
      points.compactMap { point in
        let (x, y) = (frame.x(point.x), frame.y(point.y))
        return x.isFinite && y.isFinite
          ? "\(Markup.coordinate(x)) \(Markup.coordinate(y))" : nil
      }
    }
    let (lower, upper) = (places(band.lower), places(band.upper))
    guard lower.count > 1, upper.count > 1 else { return "" }
    // Many bands lie over each other: each is the fainter.
    let opacity = min(0.18, max(0.03, 0.36 / Double(lines.count)))
    return "<path class=\"s mark band \(line.style.classes)\" "
      + "style=\"opacity:\((opacity * 100).rounded() / 100)\" "
      + "d=\"M\((lower + upper.reversed()).joined(separator: " "))Z\"/>"
  }

  /// A ring around a point that matters.
  private func ring(_ mark: (point: Point, title: String)) -> String {
    let (x, y) = (frame.x(mark.point.x), frame.y(mark.point.y))
    guard x.isFinite, y.isFinite else { return "" }
    let n = Markup.coordinate
    return "<circle class=\"ring\" cx=\"\(n(x))\" cy=\"\(n(y))\" r=\"4\"><title>"
      + "\(Markup.escaped(mark.title))</title></circle>"
  }

  /// The reference levels and their labels; a label that would cover another is omitted.
  private var levels: (lines: String, labels: String) {
    let n = Markup.coordinate
    var taken: [Double] = []
    var (lines, labels) = ("", "")
    for level in references {
      let y = frame.y(level.value)
      guard y.isFinite, y >= frame.top - 1, y <= frame.height - frame.bottom + 1 else { continue }
      lines +=
        "<path class=\"reference\" d=\"M\(n(frame.left)) \(n(y))H\(n(Frame.width - frame.right))\"/>"
      // Below the line where there is no room above it.
      let text = y - frame.top < 14 ? y + 12 : y - 4
      guard !level.label.isEmpty, !taken.contains(where: { ($0 - text).magnitude < 12 }) else {
        continue
      }
      taken.append(text)
      // At the side where fewer points lie under it.
      let width = Frame.width(of: level.label) + 6
      let (left, right) = (frame.left + 4, Frame.width - frame.right - 4)
      let isRight = points(left...left + width, text) > points(right - width...right, text)
      labels +=
        "<text class=\"remark\(isRight ? " end" : "")\" x=\"\(n(isRight ? right : left))\" "
        + "y=\"\(n(text))\">\(Markup.escaped(level.label))</text>"
    }
    return (lines, labels)
  }

  /// How many points of curves lie where a label with this base line would be.
  private func points(_ range: ClosedRange<Double>, _ base: Double) -> Int {
    lines.reduce(0) { sum, line in
      sum
        + line.points.count {
          let (x, y) = (frame.x($0.x), frame.y($0.y))
          return x.isFinite && y.isFinite && range.contains(x) && y > base - 14 && y < base + 5
        }
    }
  }

  private func event(_ event: Event) -> String {
    let x = frame.x(event.x)
    guard x.isFinite, x >= frame.left - 1, x <= Frame.width - frame.right + 1 else { return "" }
    let n = Markup.coordinate
    let base = frame.height - frame.bottom
    return
      "<g class=\"s event \(event.style.classes)\"><title>\(Markup.escaped(event.title))</title>"
      + "<path d=\"M\(n(x)) \(n(base))V\(n(frame.top))\"/>"
      + "<path class=\"flag\" d=\"M\(n(x - 4)) \(n(base + 6))h8l-4 -6z\"/></g>"
  }
}
