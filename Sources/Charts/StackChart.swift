/// Bars over a numeric axis, each with a part above zero and a part below.
public struct StackChart: Chart {
  /// What came and what went at one place.
  public struct Stack: Sendable {
    /// The end of the stretch that it stands for.
    public var x: Double
    /// The stretch, in words.
    public var name: String
    /// How much above zero.
    public var up: Double
    /// How much below zero, as a positive number.
    public var down: Double

    /// A bar.
    public init(x: Double, name: String, up: Double, down: Double) {
      self.x = x
      self.name = name
      self.up = up
      self.down = down
    }
  }

  /// A sentence on what is to be seen.
  public let summary: String
  /// The bars, by rising `x`.
  public let stacks: [Stack]
  /// The colour.
  public let style: SeriesStyle
  private let names: (up: String, down: String)
  private let frame: Frame

  /// A chart of one subject; `names` are what upwards and downwards are called.
  public init(
    summary: String, _ stacks: [Stack], _ style: SeriesStyle, axis: String,
    names: (up: String, down: String)
  ) {
    self.summary = summary
    self.stacks = stacks.filter { $0.x.isFinite && $0.up.isFinite && $0.down.isFinite }
    self.style = style
    self.names = names
    let values = self.stacks.flatMap { stack -> [Double] in [stack.up, -stack.down] }
    frame = Frame(
      .init(title: axis, scale: Scale(.linear, from: 0, to: self.stacks.last?.x ?? 1)),
      .init(title: "", scale: Scale(.linear, around: values, including: [0])))
  }

  /// Whether there is no bar.
  public var isEmpty: Bool { stacks.isEmpty }
  /// One subject.
  public var legend: [LegendEntry] { [] }
  /// Nothing to tell: every bar has a title.
  public var reading: String? { nil }

  /// Every bar.
  public var table: DataTable {
    DataTable(
      [frame.horizontal.title, names.up, names.down],
      stacks.map { stack in
        [stack.name, NumberLabel.value(stack.up), NumberLabel.value(stack.down)]
      })
  }

  /// The picture.
  public var svg: String {
    let n = Markup.coordinate
    let zero = frame.y(0)
    var content = ""
    var start = 0.0
    for stack in stacks {
      let (left, right) = (frame.x(start), frame.x(stack.x))
      start = stack.x
      let width = max(0.8, right - left - 1)
      let title =
        "<title>"
        + Markup.escaped(
          "\(stack.name): \(NumberLabel.value(stack.up)) \(names.up), "
            + "\(NumberLabel.value(stack.down)) \(names.down)") + "</title>"
      for (value, kind) in [(stack.up, "bar"), (-stack.down, "bar under")] where value != 0 {
        let y = frame.y(value)
        content +=
          "<rect class=\"mark \(kind)\" x=\"\(n(left))\" y=\"\(n(min(y, zero)))\" "
          + "width=\"\(n(width))\" height=\"\(n(max((y - zero).magnitude, 0.5)))\">\(title)</rect>"
      }
    }
    let none =
      content.isEmpty
      ? "<path class=\"mark line\" d=\"M\(n(frame.left)) \(n(zero))H\(n(Frame.width - frame.right))\"/>"
      : ""
    return frame.svg(summary: summary, "<g class=\"\(style.classes)\">\(content)\(none)</g>")
  }
}
