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
      ("Bits that an image's tokens carry", 0, { $0.bitsPerImage }),
      ("lambda = mean |q| / |z| at the end", 3, { $0.lambda }),
      ("cos(z, q) at the end", 3, { $0.cosine }),
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

  /// Writes a plot of used codes against the size, where sizes are numbers.
  func writePlots(_ name: String) throws {
    let series = plan.variants.compactMap { variant -> Plot.Series? in
      let points = plan.sizes.compactMap { size -> (x: Double, y: Double)? in
        let used = cell(variant.name, size.name).map { Double($0.usedCodes) }
        guard let x = Double(size.name), !used.isEmpty else { return nil }
        return (x, used.reduce(0, +) / Double(used.count))
      }
      return points.count > 1 ? Plot.Series(name: variant.name, points: points) : nil
    }
    guard !series.isEmpty else { return }
    let plot = Plot(
      title: "Codes used against the size of the codebook", horizontal: "codes",
      vertical: "codes used", series: series)
    try Places.write(Data(plot.svg.utf8), to: "Benchmarks/plots/study-\(name)-usage.svg")
  }
}
