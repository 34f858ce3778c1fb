import Configuration
import Formatting
import Foundation
import Reports

/// A sweep's results as tables, means over seeds: a row a variant; of several sizes a
/// table a number with a column a size, of one size a single table with a column a number.
public struct SweepReport {
  let plan: SweepPlan
  let results: [SweepResult]

  /// The finished results of a plan.
  public init(_ plan: SweepPlan, _ results: [SweepResult]) {
    self.plan = plan
    self.results = results
  }

  /// A number that a run ends with: a table's title, and a column's.
  private struct Measure: Sendable {
    let title: String
    let column: String
    let digits: Int
    let value: @Sendable (SweepResult) -> Double?
  }

  private static let measures = [
    Measure(title: "PSNR in dB", column: "PSNR dB", digits: 2) { $0.psnr },
    Measure(title: "SSIM", column: "SSIM", digits: 4) { $0.ssim },
    Measure(title: "Codes used, of all evaluation tokens", column: "codes used", digits: 0) {
      $0.codes > 0 ? Double($0.usedCodes) : nil
    },
    Measure(title: "Share of codes used in %", column: "used %", digits: 0) {
      $0.codes > 0 ? 100 * Double($0.usedCodes) / Double($0.codes) : nil
    },
    Measure(title: "Perplexity", column: "perplexity", digits: 0) {
      $0.codes > 0 ? $0.perplexity : nil
    },
    Measure(
      title: "Quantization error: mean |q - z|^2 of a vector", column: "error", digits: 4
    ) { $0.codes > 0 ? $0.quantizationError : nil },
    Measure(title: "Bits that an image's tokens carry", column: "bits", digits: 0) {
      $0.codes > 0 ? $0.bitsPerImage : nil
    },
    Measure(title: "lambda = mean |q| / |z| at the end", column: "lambda", digits: 3) { $0.lambda },
    Measure(title: "cos(z, q) at the end", column: "cos(z, q)", digits: 3) { $0.cosine },
    Measure(title: "Share of obtuse angles in %, at the end", column: "obtuse %", digits: 1) {
      $0.obtuse.map { 100 * $0 }
    },
  ]

  /// The tables as Markdown.
  public var text: String {
    var parts = plan.description.isEmpty ? [] : [plan.description]
    parts += [
      "\(results.count) of \(plan.runs.count) runs (\(seeds)); `\(plan.config)`, "
        + "\(results.map(\.steps).max() ?? 0) steps. "
        + "Means over seeds, and half the range over seeds if there are several."
    ]
    let measures = Self.measures.filter { measure in
      results.contains { measure.value($0) != nil }
    }
    if plan.sizes.count < 2 {
      parts.append(table(measures, plan.sizes.first?.name ?? ""))
    } else {
      parts += measures.map { "**\($0.title)**\n\n" + table($0) }
      if results.contains(where: { $0.collapse != nil }) { parts.append(collapses) }
    }
    if results.contains(where: { $0.averages?.count ?? 0 > 1 }) { parts.append(averages) }
    return parts.joined(separator: "\n\n")
  }

  /// How many runs each seed has.
  private var seeds: String {
    plan.seeds.compactMap { seed in
      let count = results.count { $0.seed == seed }
      return count == 0 ? nil : "seed \(seed): \(count)"
    }
    .joined(separator: ", ")
  }

  private func cell(_ variant: String, _ size: String) -> [SweepResult] {
    results.filter { $0.variant == variant && $0.size == size }
  }

  /// One number: a row a variant, a column a size.
  private func table(_ measure: Measure) -> String {
    table { Self.text(cell($0, $1).compactMap(measure.value), measure.digits) }
  }

  /// A row a variant, a column a size, and what a cell says by the names of both.
  private func table(_ text: (_ variant: String, _ size: String) -> String) -> String {
    var table = MarkdownTable(["variant"] + plan.sizes.map(\.name), textColumns: 1)
    for variant in plan.variants {
      table.add([variant.name] + plan.sizes.map { text(variant.name, $0.name) })
    }
    return table.text
  }

  /// All numbers of one size: a row a variant that has been trained, a column a number.
  private func table(_ measures: [Measure], _ size: String) -> String {
    var table = MarkdownTable(
      ["variant", "seeds"] + measures.map(\.column) + ["collapse"], textColumns: 1)
    for variant in plan.variants {
      let cell = cell(variant.name, size)
      guard !cell.isEmpty else { continue }
      let numbers = measures.map { Self.text(cell.compactMap($0.value), $0.digits) }
      table.add([variant.name, "\(cell.count)"] + numbers + [Self.collapse(cell)])
    }
    return table.text
  }

  /// The mean, and half the spread.
  private static func text(_ values: [Double], _ digits: Int) -> String {
    guard let least = values.min(), let most = values.max() else { return "-" }
    let mean = Display.decimals(values.reduce(0, +) / Double(values.count), digits)
    return values.count > 1 ? "\(mean) ± \(Display.decimals((most - least) / 2, digits))" : mean
  }

  /// Who collapsed.
  private var collapses: String {
    "**Collapse: its first step, and the first diagnostic to show it with its step**\n\n"
      + table { Self.collapse(cell($0, $1)) }
  }

  /// Since which step runs have collapsed, and what saw it first, seed by seed.
  private static func collapse(_ cell: [SweepResult]) -> String {
    guard !cell.isEmpty else { return "-" }
    let collapsed = cell.compactMap { result in
      result.collapse.map { step in
        "\(step)" + (result.firstSign.map { " (\($0) \(result.firstSignStep ?? step))" } ?? "")
      }
    }
    return collapsed.isEmpty ? "none" : collapsed.joined(separator: "; ")
  }

  /// The PSNR of the last weights and of averages, a row a cell.
  private var averages: String {
    let others = Set(results.flatMap { Array(($0.averages ?? [:]).keys) }).subtracting(["last"])
    let names = ["last"] + others.sorted()
    var table = MarkdownTable(["variant", "size"] + names, textColumns: 2)
    for variant in plan.variants {
      for size in plan.sizes.isEmpty ? [SweepPlan.Size()] : plan.sizes {
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
}
