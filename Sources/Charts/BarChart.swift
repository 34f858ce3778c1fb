/// Bars from zero, upwards and downwards, in groups.
public struct BarChart: Chart {
  /// Bars that stand together.
  public struct Group: Sendable {
    /// What they have in common.
    public var label: String
    /// Their names, as the table shows them.
    public var names: [String]
    /// Their heights.
    public var values: [Double]
    /// A reference level for the group.
    public var reference: Double?

    /// A group.
    public init(
      _ label: String, names: [String], values: [Double], reference: Double? = nil
    ) {
      self.label = label
      self.names = names
      self.values = values
      self.reference = reference
    }
  }

  /// A sentence on what is to be seen.
  public let summary: String
  /// The groups that have a bar.
  public let groups: [Group]
  /// The colour.
  public let style: SeriesStyle
  private let frame: Frame
  private let count: Int

  /// A chart of bars of one subject.
  public init(summary: String, _ groups: [Group], _ style: SeriesStyle, axis: String) {
    self.summary = summary
    self.groups = groups.filter { !$0.values.isEmpty }
    self.style = style
    count = self.groups.reduce(0) { $0 + $1.values.count } + max(0, self.groups.count - 1)
    let values = self.groups.flatMap { group -> [Double] in
      group.values + [group.reference ?? 0]
    }
    frame = Frame(
      .init(title: axis, scale: Scale(.linear, from: 0, to: Double(max(1, count))), ticks: 2),
      .init(title: "", scale: Scale(.linear, around: values, including: [0])))
  }

  /// Whether no group has a bar.
  public var isEmpty: Bool { !groups.contains { $0.values.contains { $0.isFinite } } }
  /// Bars name themselves.
  public var legend: [LegendEntry] { [] }
  /// The script has nothing to tell: every bar has a title, and the table all numbers.
  public var reading: String? { nil }

  /// Every bar.
  public var table: DataTable {
    DataTable(
      [frame.horizontal.title.isEmpty ? "group" : frame.horizontal.title, "bar", "value"],
      groups.flatMap { group in
        zip(group.names, group.values).map {
          [group.label, $0, NumberLabel.value($1, digits: 3)]
        }
      })
  }

  /// The picture.
  public var svg: String {
    let n = Markup.coordinate
    var content = ""
    var start = 0
    let zero = frame.y(0)
    for group in groups {
      let (left, right) = (frame.x(Double(start)), frame.x(Double(start + group.values.count)))
      for (index, value) in group.values.enumerated() where value.isFinite {
        let x = frame.x(Double(start + index) + 0.08)
        let width = max(0.6, frame.x(Double(start + index) + 0.92) - x)
        let y = frame.y(value)
        let name = index < group.names.count ? group.names[index] : ""
        content +=
          "<rect class=\"mark bar\" x=\"\(n(x))\" y=\"\(n(min(y, zero)))\" width=\"\(n(width))\" "
          + "height=\"\(n(max((y - zero).magnitude, 0.5)))\"><title>"
          + Markup.escaped("\(group.label) \(name): \(NumberLabel.value(value, digits: 3))")
          + "</title></rect>"
      }
      if let level = group.reference {
        let y = frame.y(level)
        content += "<path class=\"reference\" d=\"M\(n(left)) \(n(y))H\(n(right))\"/>"
      }
      content +=
        "<text class=\"middle labels\" x=\"\(n((left + right) / 2))\" "
        + "y=\"\(n(frame.height - frame.bottom + 16))\">\(Markup.escaped(group.label))</text>"
      start += group.values.count + 1
    }
    return Frame.svg(
      height: frame.height, summary: summary,
      frame.verticalAxis + "<g class=\"\(style.classes)\">\(content)</g>"
        + "<path class=\"base\" d=\"M\(n(frame.left)) \(n(zero))H\(n(Frame.width - frame.right))\"/>"
        + frame.horizontalTitle)
  }
}

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
