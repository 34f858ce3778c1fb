import ArgumentParser
import Charts
import Configuration
import Foundation
import Reports
import Training

/// How cost grows: images a second against one extent at a time.
struct Growth: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures how cost grows with image size, batch, channels, codebook and lanes.")

  @Option(help: "The axes, out of imageSize,batchSize,channels,codes,lanes.")
  var axes = GrowthAxis.all.map(\.name).joined(separator: ",")

  @Flag(help: "Measure nothing: draw the plots of the results that are there.")
  var report = false

  @OptionGroup var options: BenchOptions

  func run() throws {
    if report {
      let data = try Data(contentsOf: URL(fileURLWithPath: "Benchmarks/results/" + Self.file))
      return try JSONDecoder().decode(Results.self, from: data).curves.forEach(draw)
    }
    let names = axes.split(separator: ",").map(String.init)
    for name in names where !GrowthAxis.all.contains(where: { $0.name == name }) {
      throw ValidationError("--axes: expected \(GrowthAxis.all.map(\.name)), found \(name)")
    }
    var results = Results(machine: Machine(options))
    for axis in GrowthAxis.all where names.contains(axis.name) {
      let curve = Curve(axis: axis, points: try axis.values.map { try measure(axis, $0) })
      print(table(curve) + "\n")
      try draw(curve)
      results.curves.append(curve)
    }
    print(results.machine.text)
    try Places.write(results, to: Self.file)
  }

  private static var file: String { "growth.json" }

  private struct Results: Codable {
    let machine: Machine
    var curves: [Curve] = []
  }

  private struct Curve: Codable {
    let axis: GrowthAxis
    let points: [Point]
  }

  private struct Point: Codable {
    let value: Int
    let trainingRate: Double
    let encodingRate: Double
    let peakBytes: Int?
  }

  private func measure(_ axis: GrowthAxis, _ value: Int) throws -> Point {
    let lanes = axis.name == "lanes" ? value : options.threads
    let overrides = axis.overrides(value)
    var (training, encoding, peaks): ([Double], [Double], [Double]) = ([], [], [])
    for _ in 1...(options.rounds ?? 1) {
      let measurement = try TrainingMeasurement(
        config: axis.preset.path, overrides: overrides, steps: axis.steps, lanes: lanes
      ).run()
      training.append(measurement.imagesPerSecond)
      if let peak = measurement.peakBytes { peaks.append(Double(peak)) }
      let run = try axis.preset.configuration(overrides + ["training.lanes=\(lanes)"])
      encoding.append(try EncodingMeasurement(run, lanes: lanes).imagesPerSecond(times: 3))
    }
    say(
      "\(axis.name) \(value): training \(Cell.significant(median(training))), encoding "
        + "\(Cell.significant(median(encoding))) images/s")
    return Point(
      value: value, trainingRate: median(training), encodingRate: median(encoding),
      peakBytes: peaks.isEmpty ? nil : Int(median(peaks)))
  }

  private func table(_ curve: Curve) -> String {
    var table = MarkdownTable(
      [
        curve.axis.title, "training images/s", "encoding images/s", "peak memory of training",
      ], textColumns: 0)
    for point in curve.points {
      table.add([
        String(point.value), Cell.significant(point.trainingRate),
        Cell.significant(point.encodingRate), Cell.megabytes(point.peakBytes),
      ])
    }
    return table.text + "\n\n" + curve.axis.network
  }

  private func draw(_ curve: Curve) throws {
    func line(_ index: Int, _ name: String, _ rate: (Point) -> Double) -> LineChart.Line {
      .init(
        name, SeriesStyle(index),
        curve.points.map { Charts.Point(Double($0.value), rate($0)) })
    }
    let chart = LineChart(
      summary: "Images a second against \(curve.axis.title): \(curve.axis.network)",
      [line(0, "encoding", \.encodingRate), line(1, "training", \.trainingRate)],
      horizontal: (curve.axis.title, .logarithmic), vertical: .logarithmic)
    try Places.write(
      Data(chart.file(title: "Images a second").utf8),
      to: "Benchmarks/plots/growth-\(curve.axis.name).svg")
  }
}
