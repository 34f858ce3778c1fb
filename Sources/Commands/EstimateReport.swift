import Foundation
import Training

/// What `train --estimate` prints: what a run will take, and what similar ones reached.
struct EstimateReport {
  private let measured: RunMeasurement
  private let run: RunConfiguration
  private let trainingImages: Int
  private let threads: Int
  private let cores: Int
  private let similar: [ReferenceRun]

  /// - Parameters:
  ///   - trainingImages: images to train on.
  ///   - threads: the threads that train, of so many cores.
  ///   - similar: runs like this one, the nearest first.
  init(
    _ measured: RunMeasurement, _ run: RunConfiguration, trainingImages: Int, threads: Int,
    cores: Int, similar: [ReferenceRun]
  ) {
    self.measured = measured
    self.run = run
    self.trainingImages = trainingImages
    self.threads = threads
    self.cores = cores
    self.similar = similar
  }

  /// The report.
  var text: String {
    [
      RunDescription(run).tokenizer(parameters: measured.parameters), length, speed, time, memory,
      disk, quality, Self.notes,
    ].joined(separator: "\n")
  }

  private var steps: Int { max(0, run.training.steps - measured.firstStep) }

  private var length: String {
    let images = Double(steps) * Double(run.training.batchSize)
    let from = measured.firstStep > 0 ? " from step \(Display.count(measured.firstStep))" : ""
    return "length    \(Display.count(steps, "step")) of \(run.training.batchSize) images\(from), "
      + "\(Display.decimals(images / Double(max(1, trainingImages)), 1)) epochs of "
      + Display.count(trainingImages, "image")
  }

  private var speed: String {
    "speed     \(Display.decimals(Double(run.training.batchSize) / measured.stepSeconds, 1)) "
      + "images/s: \(Display.decimals(measured.stepSeconds, 3)) s a step, the mean of "
      + "\(Display.count(measured.steps)); \(threads) of \(Display.count(cores, "core"))"
  }

  private var time: String {
    let evaluations = RunningTime.Schedule(
      steps: run.training.steps, evaluateEvery: run.monitor.evaluateEvery,
      checkpointEvery: run.monitor.checkpointEvery,
      firstEvaluation: run.training.deferQuantization
    ).remaining(.evaluation, after: measured.firstStep)
    let training = Double(steps) * measured.stepSeconds
    let evaluating = Double(evaluations) * measured.evaluationSeconds
    return "time      \(hours(training + evaluating)) in all: \(hours(training)) for steps, "
      + "\(hours(evaluating)) for \(Display.count(evaluations, "evaluation")) of "
      + Display.count(measured.evaluationImages, "image")
  }

  private func hours(_ seconds: Double) -> String {
    seconds < 3600
      ? "\(Display.decimals(seconds / 60, 1)) minutes"
      : "\(Display.decimals(seconds / 3600, 1)) hours"
  }

  private var memory: String {
    "memory    \(Display.megabytes(PeakMemory.bytes)) peak so far, images included; of which arenas "
      + "\(Display.megabytes(measured.arenaBytes)), gradients "
      + "\(Display.megabytes(measured.gradientBytes)), weights, moments and averages "
      + Display.megabytes(measured.parameterBytes)
  }

  private var disk: String {
    let whole = measured.modelFileBytes + measured.stateFileBytes
    return "disk      \(Display.megabytes(whole)) for the checkpoint: "
      + "\(Display.megabytes(measured.modelFileBytes)) to encode with, "
      + "\(Display.megabytes(measured.stateFileBytes)) to resume from; each replaces the one before"
  }

  private var quality: String {
    guard !similar.isEmpty else {
      return "quality   no similar run is known: train a few hundred steps and look at samples/"
    }
    let lines = similar.prefix(4).map { other in
      "          \(Display.decimals(other.psnr, 2)) dB after \(Display.count(other.steps, "step")) "
        + "of \(other.batchSize): \(other.name), \(other.imageSize)x\(other.imageSize), "
        + "\(Display.count(Int(other.codes), "code")), \(other.data)"
    }
    return (["quality   PSNR that similar runs reached on held-out images:"] + lines)
      .joined(separator: "\n")
  }

  private static let notes =
    "Nothing was saved. Diagnostics add a few percent; other load on the machine is included in the "
    + "time. Longer training and other images change the quality."
}
