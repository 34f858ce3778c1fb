import ArgumentParser
import Charts
import Foundation
import Reports

/// How the cost of priors grows: tokens a second against one extent at a time.
struct PriorGrowth: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prior-growth",
    abstract: "Measures how the cost of priors grows with tokens, codes and lanes.")

  @Option(help: "The axes, out of length,codes,lanes.")
  var axes = PriorAxis.all.map(\.name).joined(separator: ",")

  @Flag(help: "Measure nothing: draw the plots of the results that are there.")
  var report = false

  @OptionGroup var options: BenchOptions

  func run() throws {
    if report {
      let data = try Data(contentsOf: URL(fileURLWithPath: "Benchmarks/results/" + Self.file))
      return try JSONDecoder().decode(Results.self, from: data).curves.forEach(draw)
    }
    let names = axes.split(separator: ",").map(String.init)
    for name in names where !PriorAxis.all.contains(where: { $0.name == name }) {
      throw ValidationError("--axes: expected \(PriorAxis.all.map(\.name)), found \(name)")
    }
    var results = Results(machine: Machine(options))
    for axis in PriorAxis.all where names.contains(axis.name) {
      let curve = Curve(axis: axis, points: try axis.values.map { try measure(axis, $0) })
      print(table(curve) + "\n")
      try draw(curve)
      results.curves.append(curve)
    }
    print(results.machine.text)
    try Places.write(results, to: Self.file)
  }

  private static var file: String { "prior-growth.json" }

  private struct Results: Codable {
    let machine: Machine
    var curves: [Curve] = []
  }

  private struct Curve: Codable {
    let axis: PriorAxis
    let points: [Point]
  }

  private struct Point: Codable {
    let value: Int
    let tokensPerSecond: Double
    let peakBytes: Int?
  }

  private func measure(_ axis: PriorAxis, _ value: Int) throws -> Point {
    let run = axis.run(value, lanes: options.threads)
    let measurements = try (1...(options.rounds ?? 1)).map { _ in try run.train(steps: axis.steps) }
    let rate = median(measurements.map(\.tokensPerSecond))
    let peaks = measurements.compactMap(\.peakBytes).map(Double.init)
    say("\(axis.name) \(axis.extent(value)): \(Cell.significant(rate)) tokens/s")
    return Point(
      value: axis.extent(value), tokensPerSecond: rate,
      peakBytes: peaks.isEmpty ? nil : Int(median(peaks)))
  }

  private func table(_ curve: Curve) -> String {
    var table = MarkdownTable(
      [curve.axis.title, "training tokens/s", "of the first", "peak memory"], textColumns: 0)
    for point in curve.points {
      table.add([
        String(point.value), Cell.significant(point.tokensPerSecond),
        Cell.decimals(point.tokensPerSecond / curve.points[0].tokensPerSecond, 2),
        Cell.megabytes(point.peakBytes),
      ])
    }
    return table.text + "\n\n" + curve.axis.network
  }

  private func draw(_ curve: Curve) throws {
    let points = curve.points.map { Charts.Point(Double($0.value), $0.tokensPerSecond) }
    let chart = LineChart(
      summary: "Tokens a second against \(curve.axis.title): \(curve.axis.network)",
      [.init("training", SeriesStyle(1), points)],
      horizontal: (curve.axis.title, .logarithmic), vertical: .logarithmic)
    try Places.write(
      Data(chart.file(title: "Tokens a second").utf8),
      to: "Benchmarks/plots/prior-\(curve.axis.name).svg")
  }
}

/// One extent of a prior that grows while all others stay.
struct PriorAxis: Codable {
  /// Its name, for files.
  let name: String
  /// Its name, for people.
  let title: String
  /// What stays.
  let network: String
  /// Images in a step.
  let batch: Int
  /// The values it takes.
  let values: [Int]
  /// Training steps at each.
  let steps: Int

  /// What is shown of a value: of the side of a grid, the tokens of an image.
  func extent(_ value: Int) -> Int { name == "length" ? value * value : value }

  /// The run at a point.
  ///
  /// - Parameter lanes: those where they are not what grows.
  func run(_ value: Int, lanes: Int) -> PriorRun {
    var run = PriorRun(
      config: PriorPreset.tiny.path,
      overrides: [
        "model.width=128", "model.layers=4", "model.heads=2", "model.feedForward=0",
        "training.batchSize=\(batch)",
      ], lanes: lanes)
    switch name {
    case "length": run.side = value
    case "codes": run.codes = value
    default: run.lanes = value
    }
    return run
  }

  /// All that is measured.
  static let all = [
    PriorAxis(
      name: "length", title: "tokens of an image",
      network: "4 layers of 128 channels, 1,024 codes, 4 images a step", batch: 4,
      values: [8, 12, 16, 24, 32], steps: 8),
    PriorAxis(
      name: "codes", title: "codes K",
      network: "4 layers of 128 channels, 16x16 tokens, 4 images a step", batch: 4,
      values: [256, 1024, 4096, 16384, 65536], steps: 6),
    PriorAxis(
      name: "lanes", title: "lanes",
      network: "4 layers of 128 channels, 16x16 tokens of 1,024 codes, 16 images a step",
      batch: 16, values: [1, 2], steps: 8),
  ]
}
