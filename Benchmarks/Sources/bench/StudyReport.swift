import Charts
import Foundation

/// A study's results as tables and plots: a row a variant, a column a size, means over seeds.
struct StudyReport {
  private let plan: StudyPlan
  private let results: [StudyResult]

  init(_ plan: StudyPlan, _ results: [StudyResult]) {
    self.plan = plan
    self.results = results
  }

  /// The tables.
  var text: String {
    let tables: [(title: String, digits: Int, value: (StudyResult) -> Double?)] = [
      ("PSNR in dB", 2, { $0.psnr }),
      ("SSIM", 4, { $0.ssim }),
      ("Codes used, of all evaluation tokens", 0, { Double($0.usedCodes) }),
      ("Perplexity", 0, { $0.perplexity }),
      ("Quantization error: mean |q - z|^2 of a vector", 4, { $0.quantizationError }),
      ("Bits that an image's tokens carry", 0, { $0.bitsPerImage }),
      ("lambda = mean |q| / |z| at the end", 3, { $0.lambda }),
      ("cos(z, q) at the end", 3, { $0.cosine }),
      ("Share of obtuse angles in %, at the end", 1, { $0.obtuse.map { 100 * $0 } }),
    ]
    let runs = plan.runs.count
    var parts = [
      plan.description,
      "\(results.count) of \(runs) runs; `\(plan.config)`, \(results.map(\.steps).max() ?? 0) steps. "
        + "Means over seeds, and half the spread between the seeds where there are several.",
    ]
    for table in tables {
      guard results.contains(where: { table.value($0) != nil }) else { continue }
      parts.append("**\(table.title)**\n\n" + self.table(table.digits, table.value))
    }
    if results.contains(where: { $0.collapse != nil }) { parts.append(collapses) }
    if results.contains(where: { $0.averages?.count ?? 0 > 1 }) { parts.append(averages) }
    return parts.joined(separator: "\n\n")
  }

  private func cell(_ variant: String, _ size: String) -> [StudyResult] {
    results.filter { $0.variant == variant && $0.size == size }
  }

  private func table(_ digits: Int, _ value: (StudyResult) -> Double?) -> String {
    var table = MarkdownTable(["variant"] + plan.sizes.map(\.name), textColumns: 1)
    for variant in plan.variants {
      let cells: [String] = plan.sizes.map { size in
        Self.text(cell(variant.name, size.name).compactMap(value), digits)
      }
      table.add([variant.name] + cells)
    }
    return table.text
  }

  /// The mean, and half the spread.
  private static func text(_ values: [Double], _ digits: Int) -> String {
    guard let least = values.min(), let most = values.max() else { return "-" }
    let mean = Cell.decimals(values.reduce(0, +) / Double(values.count), digits)
    return values.count > 1 ? "\(mean) ± \(Cell.decimals((most - least) / 2, digits))" : mean
  }

  /// Who collapsed, since which step, and what saw it first, seed by seed.
  private var collapses: String {
    var table = MarkdownTable(["variant"] + plan.sizes.map(\.name), textColumns: 1)
    for variant in plan.variants {
      let cells: [String] = plan.sizes.map { size in
        let cell = cell(variant.name, size.name)
        let collapsed = cell.compactMap { result in
          result.collapse.map { step in
            "\(step)"
              + (result.firstSign.map { " (\($0) \(result.firstSignStep ?? step))" } ?? "")
          }
        }
        return cell.isEmpty ? "-" : collapsed.isEmpty ? "none" : collapsed.joined(separator: "; ")
      }
      table.add([variant.name] + cells)
    }
    return
      "**Collapse: the step since when, and the diagnostic that saw it first with its step**\n\n"
      + table.text
  }

  /// The PSNR of the last weights and of averages, a row a cell.
  private var averages: String {
    let others = Set(results.flatMap { Array(($0.averages ?? [:]).keys) }).subtracting(["last"])
    let names = ["last"] + others.sorted()
    var table = MarkdownTable(["variant", "size"] + names, textColumns: 2)
    for variant in plan.variants {
      for size in plan.sizes {
        let cell = cell(variant.name, size.name)
        guard !cell.isEmpty else { continue }
        let means: [String] = names.map { name in
          Self.text(cell.compactMap { $0.averages?[name] }, 2)
        }
        table.add([variant.name, size.name] + means)
      }
    }
    return "**PSNR in dB of the last weights and of averages of the weights**\n\n" + table.text
  }

  /// Writes plots against the size, where sizes are numbers.
  func writePlots(_ name: String) throws {
    let plots: [(file: String, title: String, kind: Scale.Kind, value: (StudyResult) -> Double)] = [
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
  private func line(_ index: Int, _ value: (StudyResult) -> Double) -> LineChart.Line? {
    let variant = plan.variants[index]
    var (means, lower, upper): ([Point], [Point], [Point]) = ([], [], [])
    for size in plan.sizes {
      let values = cell(variant.name, size.name).map(value)
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
