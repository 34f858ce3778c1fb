/// Points in a plane: a cloud of small ones, and discs of an area each.
public struct ScatterChart: Chart {
  /// A disc; hollow where its weight is zero.
  public struct Disc: Sendable {
    /// Its centre.
    public var centre: Point
    /// What its area is proportional to.
    public var weight: Double

    /// A disc.
    public init(_ centre: Point, weight: Double) {
      self.centre = centre
      self.weight = weight
    }
  }

  /// A sentence on what is to be seen.
  public let summary: String
  /// The cloud.
  public let cloud: [Point]
  /// The discs.
  public let discs: [Disc]
  /// Lines across at these places of the horizontal and of the vertical axis.
  public let grid: (x: [Double], y: [Double])
  /// The colour.
  public let style: SeriesStyle
  private let titles: (x: String, y: String)
  private let frame: Frame
  private let notes: [(String, String)]

  /// A chart of points; both axes have one unit.
  ///
  /// `facts` are reported in the table, under the numbers of points and discs.
  public init(
    summary: String, cloud: [Point], discs: [Disc], grid: (x: [Double], y: [Double]) = ([], []),
    _ style: SeriesStyle, titles: (x: String, y: String), facts: [(String, String)] = []
  ) {
    self.summary = summary
    self.cloud = cloud.filter { $0.x.isFinite && $0.y.isFinite }
    self.discs = discs.filter { $0.centre.x.isFinite && $0.centre.y.isFinite }
    self.grid = grid
    self.style = style
    self.titles = titles
    notes = facts
    let all = self.cloud + self.discs.map(\.centre)
    let height = 300.0
    var (x, y) = (
      Scale(.linear, around: all.map(\.x), including: grid.x),
      Scale(.linear, around: all.map(\.y), including: grid.y)
    )
    // One unit is as long on both axes.
    let (width, tall) = (Frame.width - 54, height - 58)
    let unit = max((x.upper - x.lower) / width, (y.upper - y.lower) / tall)
    func widened(_ scale: Scale, _ length: Double) -> Scale {
      let (middle, half) = ((scale.lower + scale.upper) / 2, unit * length / 2)
      return Scale(.linear, from: middle - half, to: middle + half)
    }
    (x, y) = (widened(x, width), widened(y, tall))
    var frame = Frame(
      .init(title: titles.x, scale: x), .init(title: titles.y, scale: y), height: height)
    frame.top = 22
    (frame.left, frame.right) = (40, 14)
    self.frame = frame
  }

  /// Whether there is no point.
  public var isEmpty: Bool { cloud.isEmpty && discs.isEmpty }
  /// One subject.
  public var legend: [LegendEntry] { [] }
  /// Nothing to tell.
  public var reading: String? { nil }

  /// How many points there are, and where.
  public var table: DataTable {
    let hollow = discs.count { $0.weight <= 0 }
    func extent(_ values: [Double]) -> String {
      guard let low = values.min(), let high = values.max() else { return "–" }
      return "\(NumberLabel.value(low, digits: 3)) to \(NumberLabel.value(high, digits: 3))"
    }
    return DataTable(
      ["what", "value"],
      [
        ["points of the cloud", NumberLabel.count(cloud.count)],
        ["their \(titles.x)", extent(cloud.map(\.x))],
        ["their \(titles.y)", extent(cloud.map(\.y))],
      ]
        + (discs.isEmpty
          ? []
          : [
            ["discs", NumberLabel.count(discs.count)],
            ["hollow discs", NumberLabel.count(hollow)],
            ["discs' \(titles.x)", extent(discs.map(\.centre.x))],
            ["discs' \(titles.y)", extent(discs.map(\.centre.y))],
          ]) + notes.map { [$0.0, $0.1] })
  }

  /// The picture.
  public var svg: String {
    let n = Markup.coordinate
    func place(_ point: Point) -> (x: Double, y: Double) { (frame.x(point.x), frame.y(point.y)) }
    let dots = cloud.map { point -> String in
      let place = place(point)
      return "M\(n(place.x)) \(n(place.y))h0"
    }.joined()
    var lines = ""
    for x in grid.x {
      lines += "M\(n(frame.x(x))) \(n(frame.top))V\(n(frame.height - frame.bottom))"
    }
    for y in grid.y {
      lines += "M\(n(frame.left)) \(n(frame.y(y)))H\(n(Frame.width - frame.right))"
    }
    let heaviest = discs.map(\.weight).max() ?? 0
    var hollow = ""
    var filled = ""
    // Large discs first, so that small ones lie on them.
    for disc in discs.sorted(by: { $0.weight > $1.weight }) {
      let place = place(disc.centre)
      if disc.weight > 0 {
        let radius = max(1.2, 7 * (disc.weight / heaviest).squareRoot())
        filled +=
          "<circle class=\"mark disc\" cx=\"\(n(place.x))\" cy=\"\(n(place.y))\" r=\"\(n(radius))\"/>"
      } else {
        hollow +=
          "<circle class=\"mark hollow\" cx=\"\(n(place.x))\" cy=\"\(n(place.y))\" r=\"2.4\"/>"
      }
    }
    return frame.svg(
      summary: summary,
      (lines.isEmpty ? "" : "<path class=\"lattice\" d=\"\(lines)\"/>")
        + "<g class=\"\(style.classes)\">"
        + hollow
        + (dots.isEmpty
          ? "" : "<path class=\"mark cloud\(discs.isEmpty ? " alone" : "")\" d=\"\(dots)\"/>")
        + "\(filled)</g>"
        + "<text class=\"remark\" x=\"1\" y=\"12\">\(Markup.escaped(titles.y)) upwards</text>")
  }
}
