/// Named points in a plane whose axes have different units, such as rate and distortion.
///
/// A point may have an origin: a hollow one that a line leads from, the same subject before something was
/// done to it.
public struct PointChart: Chart {
  /// Where a point comes from.
  public struct Origin: Sendable, Equatable {
    /// Its place.
    public var place: Point
    /// The label beside it; nothing if empty.
    public var label: String
    /// The colour.
    public var style: SeriesStyle

    /// An origin.
    public init(_ place: Point, label: String, _ style: SeriesStyle) {
      (self.place, self.label, self.style) = (place, label, style)
    }
  }

  /// A filled point.
  public struct Mark: Sendable {
    /// What it is called.
    public var name: String
    /// The label beside it; nothing if empty.
    public var label: String
    /// The colour.
    public var style: SeriesStyle
    /// Its place.
    public var place: Point
    /// Where it comes from.
    public var origin: Origin?

    /// A point.
    public init(
      _ name: String, label: String, _ style: SeriesStyle, _ place: Point,
      from origin: Origin? = nil
    ) {
      (self.name, self.label, self.style) = (name, label, style)
      (self.place, self.origin) = (place, origin)
    }
  }

  /// A quantity along an axis.
  public struct Axis: Sendable {
    /// Its name and unit.
    public var title: String
    /// Decimals of its values in legend and table.
    public var decimals: Int
    /// The least length of the axis, in its unit: points that nearly agree are not torn apart.
    public var span: Double

    /// An axis.
    public init(_ title: String, decimals: Int, span: Double) {
      (self.title, self.decimals, self.span) = (title, decimals, span)
    }
  }

  /// A sentence on what is to be seen.
  public let summary: String
  /// The points that have a place.
  public let marks: [Mark]
  /// What the column of the origins is called in the table.
  public let originTitle: String
  private let axes: (x: Axis, y: Axis)
  private let frame: Frame

  /// A chart of points; `originTitle` names the horizontal value of their origins in the table.
  public init(
    summary: String, _ marks: [Mark], x: Axis, y: Axis, originTitle: String = ""
  ) {
    func isThere(_ point: Point) -> Bool { point.x.isFinite && point.y.isFinite }
    self.summary = summary
    self.originTitle = originTitle
    self.marks = marks.filter { isThere($0.place) }.map { mark in
      var mark = mark
      if let origin = mark.origin, !isThere(origin.place) { mark.origin = nil }
      return mark
    }
    axes = (x, y)
    let places = self.marks.flatMap { [$0.place] + ($0.origin.map { [$0.place] } ?? []) }
    func scale(_ values: [Double], _ axis: Axis) -> Scale {
      guard let low = values.min(), let high = values.max() else {
        return Scale(.linear, from: 0, to: 1)
      }
      let lacking = max(0, axis.span - (high - low)) / 2
      // What is never below zero has no axis below it.
      let least = low >= 0 ? max(0, low - lacking) : low - lacking
      return Scale(.linear, around: values, including: [least, high + lacking])
    }
    let labels = self.marks.map(\.label) + self.marks.compactMap { $0.origin?.label }
    var frame = Frame(
      .init(title: x.title, scale: scale(places.map(\.x), x)),
      .init(title: y.title, scale: scale(places.map(\.y), y)), labels: labels, height: 250)
    frame.top = 24
    self.frame = frame
  }

  /// Whether there is no point.
  public var isEmpty: Bool { marks.isEmpty }

  /// Every point with its place.
  public var legend: [LegendEntry] {
    marks.map { mark in
      LegendEntry(
        mark.name, mark.style,
        value: "\(text(mark.place.y, axes.y)) at \(text(mark.place.x, axes.x))")
    }
  }

  /// Nothing to tell: every point has a title, and the table all numbers.
  public var reading: String? { nil }

  /// Every point.
  public var table: DataTable {
    let hasOrigins = marks.contains { $0.origin != nil }
    return DataTable(
      ["point", axes.y.title, axes.x.title] + (hasOrigins ? [originTitle] : []),
      marks.map { mark in
        [mark.name, text(mark.place.y, axes.y), text(mark.place.x, axes.x)]
          + (hasOrigins ? [mark.origin.map { text($0.place.x, axes.x) } ?? "–"] : [])
      })
  }

  /// The picture.
  public var svg: String {
    let n = Markup.coordinate
    func place(_ point: Point) -> (x: Double, y: Double) { (frame.x(point.x), frame.y(point.y)) }
    var origins: [Origin] = []
    for mark in marks {
      if let origin = mark.origin, !origins.contains(origin) { origins.append(origin) }
    }
    let lines = marks.compactMap { mark -> String? in
      guard let origin = mark.origin else { return nil }
      let (from, to) = (place(origin.place), place(mark.place))
      return "<g class=\"s \(mark.style.classes)\"><path class=\"way\" "
        + "d=\"M\(n(from.x)) \(n(from.y))L\(n(to.x)) \(n(to.y))\"/></g>"
    }
    let hollow = origins.map { origin -> String in
      let place = place(origin.place)
      return "<g class=\"s \(origin.style.classes)\">"
        + "<circle class=\"ring\" cx=\"\(n(place.x))\" cy=\"\(n(place.y))\" r=\"4\"/></g>"
    }
    let filled = marks.map { mark -> String in
      let place = place(mark.place)
      let title =
        "\(mark.name): \(text(mark.place.y, axes.y)) \(axes.y.title) at "
        + "\(text(mark.place.x, axes.x)) \(axes.x.title)"
      return "<g class=\"s \(mark.style.classes)\"><title>\(Markup.escaped(title))</title>"
        + "<circle class=\"mark dot\" cx=\"\(n(place.x))\" cy=\"\(n(place.y))\" r=\"4.5\"/></g>"
    }
    let labels =
      marks.map { (text: $0.label, place: place($0.place), style: $0.style) }
      + origins.map { (text: $0.label, place: place($0.place), style: $0.style) }
    let named = labels.filter { !$0.text.isEmpty }.map { label in
      // Beside the point, a little above its line.
      Frame.EndLabel(
        text: label.text, x: label.place.x + 2, y: label.place.y - 10, style: label.style)
    }
    return frame.svg(
      summary: summary,
      lines.joined() + hollow.joined() + filled.joined() + frame.endLabels(named)
        + "<text class=\"remark\" x=\"1\" y=\"12\">\(Markup.escaped(axes.y.title)) upwards</text>")
  }

  private func text(_ value: Double, _ axis: Axis) -> String {
    NumberLabel.fixed(value, decimals: axis.decimals)
  }
}
