import Charts
import Foundation
import Testing

@Suite("Heat maps")
struct HeatMapTests {
  private static func map(_ values: [[Double]], columns: [Double]? = nil) -> HeatMap {
    HeatMap(
      summary: "map", rows: values.indices.map { "row <\($0)>" },
      columns: columns ?? (0..<(values.first?.count ?? 0)).map(Double.init), values: values,
      axis: "step", flags: [(1, "S1 <x>")])
  }

  @Test(
    "one path a colour; cells of one colour side by side are one rectangle; none where nothing is")
  func cells() {
    let svg = Self.map([[1, 1, 0, .nan], [-1, .nan, 0, 1]]).svg
    let marks = svg.components(separatedBy: "class=\"mark ").dropFirst()
    #expect(marks.count == 3)
    func subpaths(_ name: String) -> Int? {
      marks.first { $0.hasPrefix(name + "\"") }.map { mark in
        mark.components(separatedBy: "d=\"")[1].prefix { $0 != "\"" }.filter { $0 == "M" }.count
      }
    }
    #expect(subpaths("h20") == 2 && subpaths("h10") == 2 && subpaths("h0") == 1)
    #expect(svg.contains("row &lt;0&gt;") && svg.contains("S1 &lt;x&gt;"))
  }

  @Test("many columns are averaged to a few, the last one among them")
  func columns() {
    let values = [(0..<1000).map { Double($0) / 1000 }]
    let map = Self.map(values)
    #expect(map.columns.count <= HeatMap.columnLimit && map.columns.last == 999)
    let size = (1000 + HeatMap.columnLimit - 1) / HeatMap.columnLimit
    #expect(abs(map.values[0][0] - Double(size - 1) / 2000) < 1e-12)
  }

  @Test("colours: the ends, zero, and what lies beyond")
  func ramp() {
    #expect([-2, -1, -0.04, 0, 0.04, 1, 9].map(ColourRamp.step) == [0, 0, 10, 10, 10, 20, 20])
  }

  @Test("flags of one column are one mark, darker where there are more; beyond the columns none")
  func flags() {
    let map = HeatMap(
      summary: "m", rows: ["a"], columns: [10, 20, 30], values: [[0, 0, 0]], axis: "step",
      flags: [(5, "S1"), (10, "S2"), (25, "S3"), (31, "S4")])
    #expect(map.flags.map(\.column) == [0, 2] && map.flags.map(\.count) == [2, 1])
    #expect(map.svg.contains("S1 and 1 more") && !map.svg.contains("S4"))
    #expect(map.svg.contains("opacity:0.5"))
  }

  @Test("columns are labelled by round numbers where those lie between them")
  func columnLabels() throws {
    let columns = (1...50).map { Double($0) * 14 }
    let svg = Self.map([columns.map { _ in 0 }], columns: columns).svg
    let labels = svg.components(separatedBy: "<text class=\"middle\" x=\"").dropFirst()
      .map { $0.components(separatedBy: ">")[1].components(separatedBy: "<")[0] }
    #expect(labels == ["200", "400", "600", "step", "-1", "0", "1"])
    let xs = svg.components(separatedBy: "<text class=\"middle\" x=\"").dropFirst().prefix(3)
      .compactMap { Double($0.prefix { $0 != "\"" }) }
    #expect(abs((xs[2] - xs[1]) - (xs[1] - xs[0])) < 0.2)
  }

  @Test("ragged or missing values: what fits is drawn")
  func ragged() {
    #expect(Self.map([[1, 2, 3], [1]], columns: [0, 1, 2]).columns == [0])
    #expect(Self.map([]).isEmpty && Self.map([[.nan]]).isEmpty)
    #expect(!Self.map([]).svg.isEmpty)
  }

  @Test("the script's numbers are JSON, with null where there is none")
  func reading() throws {
    let text = try #require(Self.map([[0.126, .nan]]).reading)
    let object = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any]
    let values = try #require(object?["values"] as? [[Any]])
    #expect(values[0][0] as? Double == 0.13 && values[0][1] is NSNull)
  }
}

@Suite("Bars and scatters")
struct BarTests {
  @Test("a bar for each value, taller for more, a line for each reference")
  func bars() throws {
    let chart = BarChart(
      summary: "levels",
      [
        .init("a", names: ["0", "1"], values: [0.25, 0.75], reference: 0.5),
        .init("b", names: ["0"], values: [1], reference: 1),
      ], SeriesStyle(2), axis: "")
    #expect(chart.svg.components(separatedBy: "class=\"mark bar\"").count == 4)
    #expect(chart.svg.components(separatedBy: "class=\"reference\"").count == 3)
    #expect(chart.svg.contains("<title>a 1: 0.75</title>"))
    let heights = chart.svg.components(separatedBy: "height=\"").dropFirst()
      .compactMap { Double($0.prefix { $0 != "\"" }) }
    #expect(heights.count == 3 && abs(heights[1] - 3 * heights[0]) < 0.3)
    #expect(chart.table.rows.count == 3)
    #expect(BarChart(summary: "", [], SeriesStyle(0), axis: "").isEmpty)
  }

  @Test("what came stands above zero, what went below")
  func stacks() {
    let chart = StackChart(
      summary: "born",
      [.init(x: 50, name: "to 50", up: 3, down: 0), .init(x: 100, name: "to 100", up: 1, down: 4)],
      SeriesStyle(0), axis: "step", names: ("born", "died"))
    #expect(chart.svg.components(separatedBy: "class=\"mark bar\"").count == 3)
    #expect(chart.svg.components(separatedBy: "class=\"mark bar under\"").count == 2)
    #expect(chart.table.rows == [["to 50", "3", "0"], ["to 100", "1", "4"]])
    let nothing = StackChart(
      summary: "", [.init(x: 5, name: "", up: 0, down: 0)], SeriesStyle(0), axis: "",
      names: ("", ""))
    #expect(nothing.svg.contains("class=\"mark"))
  }

  @Test("discs have an area as their weight, hollow without; both axes have one unit")
  func scatter() throws {
    let chart = ScatterChart(
      summary: "plane", cloud: [Point(0, 0), Point(4, 1), Point(.nan, 0)],
      discs: [
        .init(Point(0, 0), weight: 16), .init(Point(1, 0), weight: 4),
        .init(Point(0, 1), weight: 0),
      ], grid: ([0.5], []), SeriesStyle(1), titles: ("x", "y"))
    let svg = chart.svg
    func attribute(_ name: String, _ kind: String) -> [Double] {
      svg.components(separatedBy: "class=\"mark \(kind)\"").dropFirst().compactMap { rest in
        Double(rest.components(separatedBy: " \(name)=\"")[1].prefix { $0 != "\"" })
      }
    }
    #expect(attribute("r", "disc") == [7, 3.5] && attribute("r", "hollow").count == 1)
    #expect(chart.cloud.count == 2)
    let (x, y) = (attribute("cx", "disc"), attribute("cy", "disc"))
    let right = x[1] - x[0]
    let up = y[0] - attribute("cy", "hollow")[0]
    #expect(abs(right - up) < 0.2)
    #expect(svg.contains("class=\"lattice\""))
  }

  @Test(
    "points have their own axes, a hollow origin once, names beside them and numbers in a table")
  func points() throws {
    let origin = PointChart.Origin(Point(2.5, 22), label: "a", SeriesStyle(0))
    let chart = PointChart(
      summary: "rates",
      [
        .init("p <1>", label: "p1", SeriesStyle(1), Point(1.5, 22), from: origin),
        .init("p2", label: "p2", SeriesStyle(2), Point(1.6, 22), from: origin),
        .init("q", label: "q", SeriesStyle(3), Point(1, 21)),
        .init("none", label: "none", SeriesStyle(4), Point(.nan, 21)),
      ], x: .init("bits/pixel", decimals: 3, span: 0.1), y: .init("PSNR, dB", decimals: 2, span: 1),
      originTitle: "at the budget")
    let svg = chart.svg
    #expect(svg.components(separatedBy: "class=\"mark dot\"").count == 4)
    #expect(svg.components(separatedBy: "class=\"ring\"").count == 2)
    #expect(svg.components(separatedBy: "class=\"way\"").count == 3)
    for words in [
      ">p1<", ">p2<", ">q<", ">a<", "p &lt;1&gt;: 22.00 PSNR, dB at 1.500", "dB upwards",
    ] {
      #expect(svg.contains(words), "\(words)")
    }
    #expect(!svg.contains("none") && !svg.contains("nan"))
    // Up is more, right is more.
    let places = svg.components(separatedBy: "class=\"mark dot\" cx=\"").dropFirst().map { part in
      part.components(separatedBy: "\"").enumerated().filter { [0, 2].contains($0.offset) }
        .compactMap { Double($0.element) }
    }
    #expect(places[2][0] < places[0][0] && places[0][0] < places[1][0])
    #expect(places[0][1] < places[2][1] && places[0][1] == places[1][1])
    #expect(
      chart.table.rows == [
        ["p <1>", "22.00", "1.500", "2.500"], ["p2", "22.00", "1.600", "2.500"],
        ["q", "21.00", "1.000", "–"],
      ])
    #expect(chart.table.header.last == "at the budget" && chart.legend.count == 3)
    #expect(
      PointChart(
        summary: "", [], x: .init("x", decimals: 1, span: 1), y: .init("y", decimals: 1, span: 1)
      ).isEmpty)
  }

  @Test(
    "a figure has title, legend, picture, numbers and an anchor; where there is nothing it is empty"
  )
  func figure() {
    let full = Figure(
      "T", note: "n",
      LineChart(
        summary: "s", [.init("run", SeriesStyle(0), [Point(0, 1), Point(1, 2)])],
        horizontal: ("step", .linear))
    ).html
    for part in [
      "<h3>T</h3>", "<p>n</p>", "class=\"legend\"", "role=\"img\"", "<details>", "id=\"fig-t\"",
      "href=\"#fig-t\"", "class=\"csv", "aria-label=\"s\"",
    ] {
      #expect(full.contains(part), "\(part)")
    }
    #expect(Figure("T", LineChart(summary: "s", [], horizontal: ("step", .linear))).html.isEmpty)
    let own = Figure(
      "a/b: PSNR, dB", subject: SeriesStyle(2),
      LineChart(summary: "s", [], horizontal: ("step", .linear)))
    #expect(own.anchor == "fig-a-b-psnr-db-r2")
  }

  @Test("text in every colour has 4.5 to 1 against the ground, light and dark")
  func contrast() throws {
    let themes = ChartStyle.css(subjects: 8).components(separatedBy: "--ground:").dropFirst()
      .prefix(2)
    #expect(themes.count == 2)
    for theme in themes {
      let ground = try #require(Self.luminance(String(theme.prefix(7))))
      let colours = theme.prefix { $0 != "}" }.split(separator: ";").filter { part in
        ["--ink:", "--quiet:", "--colour-"].contains { part.hasPrefix($0) }
      }
      #expect(colours.count == 12)
      for colour in colours {
        let own = try #require(Self.luminance(String(colour.suffix(7))), "\(colour)")
        #expect((max(own, ground) + 0.05) / (min(own, ground) + 0.05) >= 4.5, "\(colour)")
      }
    }
  }

  /// WCAG's relative luminance of `#rrggbb`.
  private static func luminance(_ colour: String) -> Double? {
    guard colour.hasPrefix("#"), let value = Int(colour.dropFirst(), radix: 16) else { return nil }
    let channels = [16, 8, 0].map { shift -> Double in
      let share = Double(value >> shift & 255) / 255
      return share <= 0.03928 ? share / 12.92 : pow((share + 0.055) / 1.055, 2.4)
    }
    return 0.2126 * channels[0] + 0.7152 * channels[1] + 0.0722 * channels[2]
  }

  @Test("every subject has a colour and dashes of its own; styles hold for light and dark")
  func styles() {
    let css = ChartStyle.css(subjects: 30)
    let rules = (0..<30).compactMap { index in
      css.components(separatedBy: ".r\(index){").dropFirst().first.map { $0.prefix { $0 != "}" } }
    }
    #expect(rules.count == 30 && Set(rules).count == 30)
    #expect(css.contains("prefers-color-scheme:dark") && css.contains("@media print"))
    #expect(!css.contains("http") && !css.contains("url("))
    #expect(!ChartScript.source.contains("http") && !ChartScript.source.contains("</script"))
  }
}
