import Foundation

/// A line chart with logarithmic axes, as SVG.
struct Plot {
  /// A line.
  struct Series {
    let name: String
    let points: [(x: Double, y: Double)]
  }

  let title: String
  let horizontal: String
  let vertical: String
  let series: [Series]

  private static let (width, height) = (640.0, 400.0)
  private static let (left, right, top, bottom) = (70.0, 90.0, 40.0, 60.0)
  private static let colours = ["#1f6fb4", "#c4501b", "#3a8a3a"]

  /// The picture.
  var svg: String {
    let lines = series.enumerated().flatMap { index, series in
      drawing(series, Self.colours[index % Self.colours.count])
    }
    return """
      <svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 640 400" font-family="sans-serif" \
      font-size="12" fill="#333">
      <rect width="640" height="400" fill="#fff"/>
      <text x="\(Self.left)" y="22" font-size="14">\(title)</text>
      \((verticalGrid + horizontalGrid + lines).joined(separator: "\n"))
      <text x="\(n((Self.left + Self.width - Self.right) / 2))" y="388" \
      text-anchor="middle">\(horizontal)</text>
      <text x="16" y="\(n((Self.top + Self.height - Self.bottom) / 2))" text-anchor="middle" \
      transform="rotate(-90 16 \(n((Self.top + Self.height - Self.bottom) / 2)))">\(vertical)</text>
      </svg>

      """
  }

  // MARK: Scales

  private var columns: [Double] { Array(Set(series.flatMap { $0.points.map(\.x) })).sorted() }
  private var rates: [Double] { series.flatMap { $0.points.map(\.y) } }
  /// Powers of ten around all values.
  private var decades: ClosedRange<Int> {
    let low = Int(log10(rates.min() ?? 1).rounded(.down))
    return low...max(low + 1, Int(log10(rates.max() ?? 10).rounded(.up)))
  }

  private func x(_ value: Double) -> Double {
    let (low, high) = (log2(columns.first!), log2(columns.last!))
    let share = high > low ? (log2(value) - low) / (high - low) : 0.5
    let inset = 26.0  // room for the numbers at the first and the last dot
    return Self.left + inset + share * (Self.width - Self.left - Self.right - 2 * inset)
  }

  private func y(_ value: Double) -> Double {
    let (low, high) = (Double(decades.lowerBound), Double(decades.upperBound))
    let share = (log10(value) - low) / (high - low)
    return Self.height - Self.bottom - share * (Self.height - Self.top - Self.bottom)
  }

  // MARK: Parts

  private var verticalGrid: [String] {
    columns.flatMap { value -> [String] in
      let x = n(x(value))
      return [
        line(x, n(Self.top), x, n(Self.height - Self.bottom), "#e4e4e4"),
        "<text x=\"\(x)\" y=\"\(n(Self.height - Self.bottom + 18))\" text-anchor=\"middle\">"
          + "\(Int(value))</text>",
      ]
    }
  }

  private var horizontalGrid: [String] {
    decades.flatMap { decade -> [String] in
      [1.0, 2, 5].compactMap { digit -> String? in
        let value = digit * pow(10, Double(decade))
        guard digit == 1 || decade < decades.upperBound else { return nil }
        let height = n(y(value))
        let colour = digit == 1 ? "#ccc" : "#eee"
        return line(n(Self.left), height, n(Self.width - Self.right), height, colour)
          + "<text x=\"\(n(Self.left - 6))\" y=\"\(n(y(value) + 4))\" text-anchor=\"end\">"
          + "\(String(format: "%g", value))</text>"
      }
    }
  }

  private func drawing(_ series: Series, _ colour: String) -> [String] {
    let path = series.points.map { "\(n(x($0.x))),\(n(y($0.y)))" }.joined(separator: " ")
    let dots = series.points.map { point in
      "<circle cx=\"\(n(x(point.x)))\" cy=\"\(n(y(point.y)))\" r=\"3\" fill=\"\(colour)\"/>"
        + "<text x=\"\(n(x(point.x)))\" y=\"\(n(y(point.y) - 8))\" text-anchor=\"middle\" "
        + "fill=\"\(colour)\">\(Cell.significant(point.y))</text>"
    }
    let last = series.points.last!
    return [
      "<polyline points=\"\(path)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>"
    ] + dots + [
      "<text x=\"\(n(x(last.x) + 22))\" y=\"\(n(y(last.y) + 4))\" fill=\"\(colour)\">"
        + "\(series.name)</text>"
    ]
  }

  private func line(_ x1: String, _ y1: String, _ x2: String, _ y2: String, _ colour: String)
    -> String
  {
    "<line x1=\"\(x1)\" y1=\"\(y1)\" x2=\"\(x2)\" y2=\"\(y2)\" stroke=\"\(colour)\"/>"
  }

  private func n(_ value: Double) -> String { String(format: "%.1f", value) }
}
