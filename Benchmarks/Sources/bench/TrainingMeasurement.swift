import Configuration
import Datasets
import Foundation
import Training

/// A number that was measured in a process of its own.
struct Measurement: Rated {
  /// Images a second, of the median step.
  let imagesPerSecond: Double
  /// The most memory that the process had at once.
  var peakBytes: Int?
  /// Trained numbers, where the program tells.
  var parameters: Int?
  /// The program and its version, where it tells.
  var version: String?
  /// The share of results that are equal to Tessera's, where they were compared.
  var equal: Double?

  /// Images a second.
  var rate: Double { imagesPerSecond }
}

/// Training as a user runs it: the `train` executable on a folder of scenes.
struct TrainingMeasurement {
  /// The configuration's file.
  var config: String
  /// Values that are set over the file's.
  var overrides: [String] = []
  /// The folder of images, with `train/` and `validation/`; nil draws scenes of the right size.
  var data: String?
  /// Measurements, of ``stepsPerLine`` steps each.
  var steps: Int
  /// Steps whose mean makes one measurement.
  var stepsPerLine = 1
  /// Lanes, and threads.
  var lanes: Int

  /// Measurements before the first that counts: memory is touched for the first time.
  private var warmup: Int { stepsPerLine == 1 ? 2 : 1 }

  /// Trains for a few steps; what counts is the median of the lines' rates in `metrics.jsonl`.
  func run() throws -> Measurement {
    let overrides = overrides + ["training.lanes=\(lanes)"]
    let run = try RunConfiguration.load(path: config, overrides: overrides)
    let data = try data ?? Places.scenes(size: run.data.imageSize)
    let output = try Places.emptyScratch("run")
    let steps = (warmup + steps) * stepsPerLine
    let settings =
      overrides + [
        "monitor.logEvery=\(stepsPerLine)", "monitor.evaluateEvery=\(steps)",
        "monitor.evaluationImages=1",
        "monitor.samples=0", "monitor.checkpointEvery=\(steps)",
      ]
    let process = try ChildProcess(
      Places.executable("train"),
      [
        "--config", config, "--data", data + "/train", "--validation", data + "/validation",
        "--output", output, "--steps", String(steps), "--threads", String(lanes), "--quiet",
      ] + settings.flatMap { ["--set", $0] })
    let rates = try Self.rates(inJournal: output + "/" + Journal.fileName).dropFirst(warmup)
    guard !rates.isEmpty else {
      throw BenchmarkError("\(output)/\(Journal.fileName) tells of no steps")
    }
    return Measurement(
      imagesPerSecond: median(Array(rates)), peakBytes: process.peakBytes)
  }

  /// Images a second of each line of a run's `metrics.jsonl`.
  static func rates(inJournal path: String) throws -> [Double] {
    struct Line: Decodable {
      let kind: String
      let imagesPerSecond: Double?
    }
    let lines = try String(contentsOfFile: path, encoding: .utf8).split(separator: "\n")
    return try lines.compactMap { line in
      let line = try JSONDecoder().decode(Line.self, from: Data(line.utf8))
      return line.kind == "step" ? line.imagesPerSecond : nil
    }
  }
}
