import Charts
import Commands
import Foundation

/// A study's page and plots, besides the tables that every sweep has.
struct StudyReport {
  private let plan: SweepPlan
  private let results: [SweepResult]
  private let report: SweepReport

  init(_ plan: SweepPlan, _ results: [SweepResult]) {
    self.plan = plan
    self.results = results
    report = SweepReport(plan, results)
  }

  /// The tables.
  var text: String { report.text }

  /// The tables as a page, with what the runs were trained by.
  func page(_ name: String, _ machine: Machine) -> String {
    let commits = Set(results.map(\.commit)).sorted().joined(separator: ", ")
    return """
      # The study of \(name): all numbers

      Written by `bench study \(name) --report`; the findings are in [README.md](README.md).

      \(text)

      \(machine.processor), \(machine.cores) cores; trained by Tessera \(commits).

      """
  }

  /// Writes plots against the size, where sizes are numbers.
  func writePlots(_ name: String) throws {
    let plots: [(file: String, title: String, kind: Scale.Kind, value: (SweepResult) -> Double)] = [
      ("psnr", "PSNR in dB", .linear, { $0.psnr }),
      (
        "usage", "Codes used, in % of all", .linear,
        { 100 * Double($0.usedCodes) / Double($0.codes) }
      ),
      ("perplexity", "Perplexity", .logarithmic, { $0.perplexity }),
    ]
    for plot in plots {
      let lines = plan.variants.indices.compactMap { line($0, plot.value) }
      guard !lines.isEmpty else { return }
      let chart = LineChart(
        summary: "\(plot.title) against the size of the codebook, by quantizer", lines,
        horizontal: ("codes", .logarithmic), vertical: plot.kind)
      try Places.write(
        Data(chart.file(title: plot.title).utf8),
        to: "Benchmarks/plots/study-\(name)-\(plot.file).svg")
    }
  }

  /// A variant's means over seeds, with their range; nil where it has fewer than two sizes.
  private func line(_ index: Int, _ value: (SweepResult) -> Double) -> LineChart.Line? {
    let variant = plan.variants[index]
    var (means, lower, upper): ([Point], [Point], [Point]) = ([], [], [])
    for size in plan.sizes {
      let values = results.filter { $0.variant == variant.name && $0.size == size.name }.map(value)
      guard let x = Double(size.name), let least = values.min(), let most = values.max() else {
        continue
      }
      means.append(Point(x, values.reduce(0, +) / Double(values.count)))
      lower.append(Point(x, least))
      upper.append(Point(x, most))
    }
    guard means.count > 1 else { return nil }
    return LineChart.Line(
      variant.name, label: variant.label, SeriesStyle(index), means, band: (lower, upper))
  }
}
