import Configuration
import Execution
import Foundation
import Inference
import Priors
import Training

/// A prior that is measured, of those in `configs/`.
enum PriorPreset: String, CaseIterable, Codable {
  /// 5.3 million parameters, 16x16 tokens of 1,024 codes, 16 images a step.
  case tiny
  /// 26.7 million parameters, 16x16 tokens of 1,024 codes, 8 images a step.
  case small

  /// Its configuration.
  var path: String { "configs/bench-prior-\(rawValue).json" }

  /// Training steps in a measurement, after two of warm-up.
  var steps: Int { self == .tiny ? 8 : 4 }
}

/// A rate of a prior.
struct PriorMeasurement: Rated {
  /// Tokens a second: of the median step, or of all that were drawn.
  let tokensPerSecond: Double
  /// The most memory that the process had at once.
  var peakBytes: Int?
  /// Trained numbers, where the program tells.
  var parameters: Int?
  /// The program and its version, where it tells.
  var version: String?

  /// Tokens a second.
  var rate: Double { tokensPerSecond }
}

/// A prior as a user trains it and draws from it: by the executables.
struct PriorRun {
  /// The configuration's file.
  var config: String
  /// Values that are set over the file's.
  var overrides: [String] = []
  /// Tokens on each side of an image.
  var side = 16
  /// Codes K.
  var codes = 1024
  /// Lanes, and threads.
  var lanes: Int

  /// Steps before the first that counts: memory is touched for the first time.
  private static let warmup = 2

  /// The configuration.
  func configuration() throws -> PriorRunConfiguration {
    try PriorRunConfiguration.load(path: config, overrides: overrides)
  }

  /// Trained numbers.
  func parameters() throws -> Int {
    let space = TokenSpace(codes: codes, depth: 1, rows: side, columns: side, classes: 0)
    return TokenSampler<Device>.parameterLayout(try configuration().model, space).count
  }

  /// Trains on random tokens; what counts is the median of the rates in `metrics.jsonl`.
  func train(steps: Int) throws -> PriorMeasurement {
    let output = try Places.emptyScratch("run")
    let peak = try train(steps: Self.warmup + steps, to: output, settings: ["monitor.logEvery=1"])
    let rates = try TrainingMeasurement.rates(inJournal: output + "/" + Journal.fileName)
      .dropFirst(Self.warmup)
    guard !rates.isEmpty else {
      throw BenchmarkError("\(output)/\(Journal.fileName) tells of no steps")
    }
    return PriorMeasurement(
      tokensPerSecond: median(Array(rates)) * Double(side * side), peakBytes: peak)
  }

  /// A folder with a prior of one step to draw from: the work does not depend on the weights' values.
  func checkpoint() throws -> String {
    let output = try Places.emptyScratch("prior")
    _ = try train(steps: 1, to: output, settings: [])
    return output
  }

  /// Draws images; what counts is the rate that the program tells.
  func sample(from folder: String, count: Int) throws -> PriorMeasurement {
    let output = try Places.emptyScratch("drawn") + "/drawn.safetensors"
    let process = try ChildProcess(
      Places.executable("tessera"),
      [
        "sample", "--checkpoint", folder, "--count", String(count), "--output", output,
        "--threads", String(lanes), "--quiet",
      ])
    guard let match = process.output.firstMatch(of: /([0-9,]+) tokens\/s/),
      let rate = Double(match.1.filter { $0 != "," })
    else { throw BenchmarkError("sample told no rate, but \"\(process.output)\"") }
    return PriorMeasurement(tokensPerSecond: rate, peakBytes: process.peakBytes)
  }

  /// Trains, and returns the most memory that it took.
  private func train(steps: Int, to output: String, settings: [String]) throws -> Int? {
    let batch = try configuration().training.batchSize
    let settings =
      overrides + settings + [
        "training.lanes=\(lanes)", "monitor.evaluateEvery=\(steps)",
        "monitor.evaluationImages=1", "monitor.checkpointEvery=\(steps)",
      ]
    let process = try ChildProcess(
      Places.executable("train"),
      [
        "--config", config, "--data",
        DrawnTokens(images: 4 * batch, side: side, codes: codes).path("random"), "--validation",
        DrawnTokens(images: 2, side: side, codes: codes, seed: 1).path("random"),
        "--output", output, "--steps", String(steps), "--threads", String(lanes), "--quiet",
      ] + settings.flatMap { ["--set", $0] })
    return process.peakBytes
  }
}
