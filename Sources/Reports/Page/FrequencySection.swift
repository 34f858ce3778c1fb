import Charts
import Diagnostics
import Evaluation
import Foundation

/// How evenly codes are used: sorted frequencies.
struct FrequencySection {
  let runs: [PageRun]

  var html: String {
    let levels = Set(runs.map(\.run.usage.codes)).sorted()
    let figure = RunFigure(
      title: "Sorted code frequencies",
      note:
        "Both axes logarithmic. Even use is a level line at 1/K (dotted); a Zipf law falls as a "
        + "straight line of slope -1; a cliff is a collapse. Counted on the evaluation's tokens.",
      vertical: .logarithmic, including: levels.map { 1 / Double($0) },
      references: levels.prefix(3).map {
        .init(1 / Double($0), "uniform, K = \(NumberText.count($0))")
      },
      axis: ("rank of the code", .logarithmic), source: "evaluation")
    return PageSection(
      id: "frequencies", title: "Code frequencies", introduction: "",
      content: PageSection.grid(
        [figure.html(runs, Self.line)]
          + levelFigures)
    ).html
  }

  private static func line(_ run: PageRun) -> LineChart.Line {
    var line = LineChart.Line(run.name, label: run.label, run.style, points(run.run))
    line.value = "\(NumberText.count(run.run.usage.used)) codes"
    return line
  }

  /// Shares by rank; ranks thin out geometrically, first and last stay.
  private static func points(_ run: EvaluatedRun) -> [Point] {
    let sorted = run.usage.counts.filter { $0 > 0 }.sorted(by: >)
    let total = Double(max(1, run.usage.tokens))
    var points: [Point] = []
    var next = 1.0
    for (index, count) in sorted.enumerated() {
      let rank = Double(index + 1)
      guard rank >= next || index == sorted.count - 1 else { continue }
      points.append(Point(rank, Double(count) / total))
      next = max(rank + 1, rank * 1.03)
    }
    return points
  }

  /// Histograms of the levels of each FSQ channel.
  private var levelFigures: [String] {
    runs.compactMap { run in
      guard case .finiteScalar(let use, _) = run.run.evidence.bottleneck else { return nil }
      let groups = use.counts.enumerated().map { channel, counts in
        let total = Double(max(1, counts.reduce(0, +)))
        return BarChart.Group(
          use.counts.count > 12 ? "\(channel)" : "channel \(channel)",
          names: counts.indices.map { "level \($0)" }, values: counts.map { Double($0) / total },
          reference: 1 / Double(counts.count))
      }
      return Figure(
        "\(run.name): levels of each channel",
        note: "Share of tokens on each level; dotted: even use.", subject: run.style,
        BarChart(
          summary: "\(run.name): share of tokens on each level of \(groups.count) channels", groups,
          run.style, axis: "")
      ).html()
    }
  }
}
