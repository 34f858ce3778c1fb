import Autodiff
import Configuration
import Execution
import Foundation
import Priors
import Training

/// A continuous prior as a user trains it and draws from it: by the executables.
struct ContinuousRun {
  /// The configuration's file.
  var config: String
  /// Lanes, and threads.
  var lanes: Int

  /// Steps before the first that counts: memory is touched for the first time.
  private static let warmup = 2

  /// The configuration.
  func configuration() throws -> ContinuousRunConfiguration {
    try ContinuousRunConfiguration.load(path: config, overrides: [])
  }

  /// What its vectors are: patches of scenes, which have no classes.
  func grid() throws -> VectorGrid {
    guard case .images(let data) = try configuration().data else {
      throw BenchmarkError("\(config): expected images as data.type, found latents")
    }
    let side = data.imageSize / data.patch
    return VectorGrid(rows: side, columns: side, numbers: 3 * data.patch * data.patch, classes: 0)
  }

  /// Trained numbers.
  func parameters() throws -> Int {
    let graph = Graph()
    _ = ContinuousPrior(try configuration().model, try grid(), in: Scope(graph))
    return ParameterLayout(graph.parameters).count
  }

  /// Trains on scenes; what counts is the median of the rates in `metrics.jsonl`.
  func train(steps: Int) throws -> Measurement {
    let output = try Places.emptyScratch("run")
    let process = try train(
      steps: Self.warmup + steps, to: output, settings: ["monitor.logEvery=1"])
    let rates = try TrainingMeasurement.rates(inJournal: output + "/" + Journal.fileName)
      .dropFirst(Self.warmup)
    guard !rates.isEmpty else {
      throw BenchmarkError("\(output)/\(Journal.fileName) tells of no steps")
    }
    return Measurement(imagesPerSecond: median(Array(rates)), peakBytes: process.peakBytes)
  }

  /// A folder with a prior of a few steps, after which no weight is the zero that it began as.
  func checkpoint() throws -> String {
    let output = try Places.emptyScratch("continuous/prior")
    _ = try train(steps: 30, to: output, settings: [])
    return output
  }

  /// A folder with a solver for a prior that learned its steps a little: what they are does not
  /// change the work.
  func solver(of folder: String, steps: Int) throws -> String {
    let output = try Places.emptyScratch("continuous/solver")
    let config = try Places.scratch("continuous") + "/solver.json"
    let text = """
      {
        "kind": "solver",
        "checkpoint": "prior",
        "solver": { "steps": \(steps) },
        "training": { "batchSize": 16, "optimizer": { "type": "adamw", "learningRate": 0.005 } }
      }
      """
    try Data(text.utf8).write(to: URL(fileURLWithPath: config))
    _ = try ChildProcess(
      Places.executable("train"),
      [
        "--config", config, "--from", folder, "--output", output, "--steps", "10", "--threads",
        String(lanes), "--quiet",
      ])
    return output
  }

  /// Draws images; what counts is the rate that the program tells.
  ///
  /// - Parameter solver: a name of a solver, or the folder of a trained one.
  func sample(
    from folder: String, count: Int, solver: String, steps: Int
  ) throws -> Measurement {
    let output = try Places.emptyScratch("drawn") + "/images"
    let process = try ChildProcess(
      Places.executable("tessera"),
      [
        "sample", "--checkpoint", folder, "--count", String(count), "--solver", solver, "--steps",
        String(steps), "--output", output, "--threads", String(lanes), "--quiet",
      ])
    guard let match = process.output.firstMatch(of: /([0-9.,]+) images\/s/),
      let rate = Double(match.1.filter { $0 != "," })
    else { throw BenchmarkError("sample told no rate, but \"\(process.output)\"") }
    return Measurement(imagesPerSecond: rate, peakBytes: process.peakBytes)
  }

  private func train(steps: Int, to output: String, settings: [String]) throws -> ChildProcess {
    let data = try Places.scenes(size: imageSize())
    let settings =
      settings + [
        "training.lanes=\(lanes)", "monitor.evaluateEvery=\(steps)",
        "monitor.evaluationImages=1", "monitor.checkpointEvery=\(steps)",
      ]
    return try ChildProcess(
      Places.executable("train"),
      [
        "--config", config, "--data", data + "/train", "--validation", data + "/validation",
        "--output", output, "--steps", String(steps), "--threads", String(lanes), "--quiet",
      ] + settings.flatMap { ["--set", $0] })
  }

  private func imageSize() throws -> Int {
    guard case .images(let data) = try configuration().data else { return 32 }
    return data.imageSize
  }
}
