import Charts
import Foundation
import Testing

@Suite("Line charts")
struct LineChartTests {
  private static func chart(
    _ lines: [LineChart.Line], vertical: Scale.Kind = .linear,
    references: [LineChart.Reference] = []
  ) -> LineChart {
    LineChart(
      summary: "loss <a&b>", lines, horizontal: ("step", .linear), vertical: vertical,
      references: references)
  }
  private static let line = LineChart.Line(
    "run", SeriesStyle(0), (0...10).map { Point(Double($0), Double($0 * $0)) })

  /// The numbers of every path of a class, a list a subpath.
  private static func subpaths(_ svg: String) -> [[Double]] {
    svg.components(separatedBy: "class=\"mark line\" d=\"M").dropFirst().flatMap { rest in
      rest.prefix { $0 != "\"" }.split(separator: "M").map { piece in
        piece.split(separator: " ").compactMap { Double($0) }
      }
    }
  }

  @Test("a curve is one path from left to right within the picture")
  func path() throws {
    let paths = Self.subpaths(Self.chart([Self.line]).svg)
    let numbers = try #require(paths.first)
    #expect(paths.count == 1 && numbers.count == 22)
    let xs = stride(from: 0, to: 22, by: 2).map { numbers[$0] }
    let ys = stride(from: 1, to: 22, by: 2).map { numbers[$0] }
    #expect(xs == xs.sorted() && xs.allSatisfy { $0 >= 0 && $0 <= 360 })
    // Upwards is less.
    #expect(ys == ys.sorted(by: >) && ys.allSatisfy { $0 >= 0 && $0 <= 226 })
  }

  @Test("faint curves: drawn first, told last, without a name in legend and at their ends")
  func faint() throws {
    let faint = LineChart.Line("many", SeriesStyle(0, isFaint: true), Self.line.points)
    let chart = Self.chart([
      faint, .init("one", SeriesStyle(0, variant: 0), Self.line.points), faint,
      .init("two", SeriesStyle(0, variant: 1), Self.line.points),
    ])
    #expect(chart.lines.map(\.name) == ["one", "two", "many", "many"])
    #expect(chart.legend.map(\.name) == ["one", "two"])
    let svg = chart.svg
    #expect(svg.components(separatedBy: "class=\"s r0 faint\"").count == 3)
    #expect(svg.components(separatedBy: "class=\"s direct").count == 3)
    let (first, last) = (
      try #require(svg.range(of: "<g class=\"s r0 v0\"")),
      try #require(svg.range(of: "<g class=\"s r0 faint\"", options: .backwards))
    )
    #expect(last.lowerBound < first.lowerBound)
    #expect(chart.table.header == ["step", "one", "two", "many", "many"])
  }

  @Test("a file of its own: the same curves, with colours and a title within, every tag closed")
  func file() {
    let chart = Self.chart([Self.line, .init("a<b", SeriesStyle(3), Self.line.points)])
    let file = chart.file(title: "dB & <codes>")
    #expect(file.hasPrefix("<svg ") && file.contains("xmlns=\"http://www.w3.org/2000/svg\""))
    #expect(file.contains("<text class=\"title\" x=\"0\" y=\"-10\">dB &amp; &lt;codes&gt;</text>"))
    #expect(Self.subpaths(file) == Self.subpaths(chart.svg) && Self.subpaths(file).count == 2)
    for rule in [".r0{", ".r3{", "--colour-3:", "--ground:", ".line{"] {
      #expect(file.contains(rule), "\(rule)")
    }
    var open: [Substring] = []
    for tag in file.split(separator: "<").dropFirst(file.hasPrefix("<") ? 0 : 1) {
      let text = tag.prefix { $0 != ">" }
      if text.hasPrefix("/") {
        #expect(open.popLast() == text.dropFirst(), "\(text)")
      } else if !text.hasSuffix("/") {
        open.append(text.prefix { $0 != " " })
      }
    }
    #expect(open.isEmpty)
  }

  @Test("what is no number breaks the line; a point alone becomes a dot")
  func gaps() {
    var points = Self.line.points
    points[4].y = .nan
    points[6].y = .infinity
    let svg = Self.chart([.init("run", SeriesStyle(0), points)]).svg
    #expect(Self.subpaths(svg).map(\.count) == [8, 8])
    #expect(svg.components(separatedBy: "class=\"mark dot\"").count == 2)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
  }

  @Test("on a logarithmic axis zero breaks the line")
  func zeroOnLogarithm() {
    let svg = Self.chart(
      [.init("run", SeriesStyle(0), [1.0, 2, 0, 4, 8].enumerated().map { Point(Double($0), $1) })],
      vertical: .logarithmic
    ).svg
    #expect(Self.subpaths(svg).map(\.count) == [4, 4])
  }

  @Test("no curve with a point: empty")
  func empty() {
    #expect(Self.chart([]).isEmpty)
    #expect(Self.chart([.init("run", SeriesStyle(0), [])]).isEmpty)
    #expect(Self.chart([.init("run", SeriesStyle(0), [Point(1, .nan)])]).isEmpty)
    #expect(
      Self.chart([.init("r", SeriesStyle(0), [Point(1, -1)])], vertical: .logarithmic).isEmpty)
    #expect(!Self.chart([Self.line]).isEmpty)
  }

  @Test("several curves are named at their ends, one under the other; one is not")
  func endLabels() throws {
    let svg = Self.chart((0..<9).map { .init("r\($0)", SeriesStyle($0), Self.line.points) }).svg
    let places = try Self.numbers(svg, "class=\"s direct[^>]*? y=\"([0-9.]+)\"")
    #expect(places.count == 9)
    #expect(zip(places.sorted(), places.sorted().dropFirst()).allSatisfy { $1 - $0 >= 12 })
    #expect(places.allSatisfy { $0 > 0 && $0 < 226 })
    #expect(!Self.chart([Self.line]).svg.contains("class=\"s direct"))
  }

  @Test("a curve that ends early is named at its end, clear of the others' names")
  func earlyEnds() throws {
    let short = (0...4).map { Point(Double($0), Double(16 - $0)) }
    let svg = Self.chart([
      .init(
        "long", SeriesStyle(0),
        Self.line.points.reversed().enumerated().map { Point(Double($0), $1.y) }),
      .init("early", SeriesStyle(1), short), .init("alike", SeriesStyle(2), short),
    ]).svg
    let xs = try Self.numbers(svg, "class=\"s direct[^>]*? x=\"([0-9.]+)\"")
    let ys = try Self.numbers(svg, "class=\"s direct[^>]*? y=\"([0-9.]+)\"")
    #expect(xs.count == 3 && xs[0] > 300 && xs[1] < 200 && xs[1] == xs[2])
    #expect(abs(ys[1] - ys[2]) >= 12)
  }

  @Test("names that look like markup are escaped, in the picture and in the script's numbers")
  func escaping() throws {
    let chart = Self.chart([
      .init("</script><a&b>", SeriesStyle(0), Self.line.points),
      .init("x", SeriesStyle(1), Self.line.points),
    ])
    let html = Figure("<t>", chart).html
    #expect(!html.contains("<a&b>") && !html.contains("<t>"))
    #expect(html.components(separatedBy: "</script>").count == 2)
    #expect(html.contains("&lt;a&amp;b&gt;") && html.contains("\\u003c/script\\u003e"))
    let object = try JSONSerialization.jsonObject(with: Data(try #require(chart.reading).utf8))
    let series = try #require((object as? [String: Any])?["series"] as? [[String: Any]])
    #expect(series[0]["n"] as? String == "</script><a&b>")
    #expect(series[0]["y"] as? [Double] == (0...10).map { Double($0 * $0) })
  }

  @Test("legend and table tell the numbers")
  func words() {
    let chart = Self.chart([Self.line])
    #expect(chart.legend == [LegendEntry("run", SeriesStyle(0), value: "100")])
    #expect(chart.table.header == ["step", "run"])
    #expect(chart.table.rows.first == ["0", "0"] && chart.table.rows.last == ["10", "100"])
    let long = LineChart.Line("l", SeriesStyle(0), (0...9999).map { Point(Double($0), 1) })
    #expect(Self.chart([long]).table.rows.count <= 12)
    #expect(Self.chart([long]).lines[0].points.count <= LineChart.pointLimit + 4)
  }

  @Test("reference levels are drawn where they are in sight, without labels over labels")
  func references() {
    let svg = Self.chart(
      [Self.line], references: [.init(50, "middle"), .init(50.5, "over it"), .init(1000, "beyond")]
    ).svg
    #expect(svg.components(separatedBy: "class=\"reference\"").count == 3)
    #expect(svg.contains("middle") && !svg.contains("over it") && !svg.contains("beyond"))
  }

  @Test("a level's label is over the curves, at the side where they are not")
  func labels() throws {
    // A curve along the level at the left, far from it at the right, and the reverse.
    let points = (0...40).map { Point(Double($0), $0 < 20 ? 51 : 100) }
    let mirrored = (0...40).map { Point(Double($0), $0 > 20 ? 51 : 100) }
    let places = try [points, mirrored].map { points in
      let svg = Self.chart(
        [.init("run", SeriesStyle(0), [Point(0, 0)] + points)], references: [.init(50, "level")]
      ).svg
      let label = try #require(svg.range(of: "class=\"remark"))
      #expect(label.lowerBound > (try #require(svg.range(of: "class=\"mark line\""))).upperBound)
      return svg[label.upperBound...].hasPrefix(" end")
    }
    #expect(places == [true, false])
  }

  @Test("the best point has a ring; a curve without a label has none at its end")
  func highlights() {
    var best = Self.line
    best.highlight = (best.points[5], "best <1>")
    var silent = LineChart.Line("silent", SeriesStyle(1), Self.line.points)
    silent.label = ""
    let svg = Self.chart([best, silent]).svg
    #expect(svg.contains("class=\"ring\"") && svg.contains("best &lt;1&gt;"))
    #expect(svg.components(separatedBy: "class=\"s direct").count == 2)
  }

  @Test("steps of long runs keep all their digits in the script's numbers")
  func longSteps() throws {
    let chart = Self.chart([
      .init("run", SeriesStyle(0), [Point(1_234_567, 1), Point(2_000_010, 2)])
    ])
    #expect(try #require(chart.reading).contains("\"x\":[1234567,2000010]"))
  }

  private static func numbers(_ text: String, _ pattern: String) throws -> [Double] {
    let expression = try NSRegularExpression(pattern: pattern)
    return expression.matches(in: text, range: NSRange(text.startIndex..., in: text)).compactMap {
      Range($0.range(at: 1), in: text).flatMap { Double(text[$0]) }
    }
  }
}
