import Files
import Configuration
import Datasets
import Formatting
import Foundation
import Tokenizers
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
        + (other.codes > 1 ? "\(Display.count(Int(other.codes), "code")), " : "") + other.data
    }
    return (["quality   PSNR that similar runs reached on held-out images:"] + lines)
      .joined(separator: "\n")
  }

  private static let notes =
    "Nothing was saved. Diagnostics add a few percent; other load on the machine is included in the "
    + "time. Longer training and other images change the quality."
}

/// A run of known quality, to predict what a similar one may reach.
struct ReferenceRun: Equatable {
  /// The configuration's name, or the run's folder.
  let name: String
  /// The quantizer's type.
  let quantizer: String
  /// Codes of a token, all depths together.
  let codes: Double
  /// Side of the images.
  let imageSize: Int
  /// Image pixels per token along one side.
  let downsampling: Int
  /// Steps, and images of a step.
  let steps, batchSize: Int
  /// On images that it was not trained on.
  let psnr: Double
  /// What it was trained on.
  let data: String

  /// Runs that were measured with Tessera; docs/quantizers.md and docs/photos.md say how.
  static let known: [ReferenceRun] = [
    .init("fsq", "fsq", 1000, 32, 2, 700, 16, 27.68, "2,000 built-in scenes"),
    .init("vq", "vq", 1024, 32, 2, 700, 16, 28.38, "2,000 built-in scenes"),
    .init("scenes-vq", "vq", 4096, 64, 4, 6000, 16, 31.96, "8,000 built-in scenes"),
    .init("cifar10-fsq", "fsq", 1000, 32, 2, 416, 64, 24.93, "10,000 images of CIFAR-10"),
    .init("cifar10-fsq", "fsq", 1000, 32, 2, 3000, 64, 30.41, "10,000 images of CIFAR-10"),
    .init("cifar10-vq", "vq", 1024, 32, 2, 416, 64, 25.12, "10,000 images of CIFAR-10"),
    .init("cifar10-vq", "vq", 1024, 32, 2, 3000, 64, 31.75, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "fsq", 1000, 32, 4, 1000, 64, 23.34, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "fsq", 15360, 32, 4, 1000, 64, 23.75, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "vq", 1024, 32, 4, 1000, 64, 23.69, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "vq", 16384, 32, 4, 1000, 64, 24.39, "10,000 images of CIFAR-10"),
    .init("study-codebooks", "simvq", 16384, 32, 4, 1000, 64, 24.08, "10,000 images of CIFAR-10"),
    .init("photos-64", "fsq", 1000, 64, 4, 500, 16, 19.78, "200 photographs of BSDS500"),
    .init("photos-128", "fsq", 64000, 128, 8, 300, 16, 19.14, "200 photographs of BSDS500"),
    .init("photos-256", "fsq", 64000, 256, 16, 300, 8, 17.28, "200 photographs of BSDS500"),
  ]

  private init(
    _ name: String, _ quantizer: String, _ codes: Double, _ imageSize: Int, _ downsampling: Int,
    _ steps: Int, _ batchSize: Int, _ psnr: Double, _ data: String
  ) {
    self.name = name
    self.quantizer = quantizer
    self.codes = codes
    self.imageSize = imageSize
    self.downsampling = downsampling
    self.steps = steps
    self.batchSize = batchSize
    self.psnr = psnr
    self.data = data
  }

  /// What is known of a run by its folder: the configuration and the last evaluation.
  init?(folder: String) {
    guard let run = try? Checkpoint(folder: folder).readConfiguration(),
      let line = Journal.lines(folder: folder).last(where: {
        $0["kind"] == .string("evaluation")
      }), let psnr = line["psnr"]?.double, let step = line["step"]?.double
    else { return nil }
    self.init(
      folder, run.quantizer.kind, Self.codes(run), run.data.imageSize, run.model.downsampling,
      Int(step), run.training.batchSize, psnr, run.data.train)
  }

  /// Codes of a token of a run, all depths together; 1 where there are none.
  static func codes(_ run: RunConfiguration) -> Double {
    run.quantizer.isContinuous
      ? 1 : pow(Double(run.quantizer.codebookSize), Double(run.quantizer.depth))
  }

  /// Runs like a configuration, the nearest first: those that are known, and those in a folder.
  ///
  /// They have its quantizer and its downsampling, at most twice or half its size of images, and at
  /// most eight times as many codes or an eighth.
  static func similar(to run: RunConfiguration, in folders: [String]) -> [ReferenceRun] {
    let own = folders.flatMap { folder in
      ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
        .compactMap { ReferenceRun(folder: folder + "/" + $0) }
    }
    let codes = codes(run)
    return (own + known).filter { other in
      let size = Double(other.imageSize) / Double(run.data.imageSize)
      return other.quantizer == run.quantizer.kind
        && other.downsampling == run.model.downsampling && 0.5...2 ~= size
        && 0.125...8 ~= other.codes / codes
    }
    .sorted { $0.distance(to: run) < $1.distance(to: run) }
  }

  /// How far the size, the codes and the length are from a configuration's, as logarithms.
  private func distance(to run: RunConfiguration) -> Double {
    let images = Double(steps * batchSize)
    let itsImages = Double(run.training.steps * run.training.batchSize)
    return abs(log2(Double(imageSize) / Double(run.data.imageSize)))
      + abs(log2(codes / Self.codes(run))) + abs(log2(max(images, 1) / max(itsImages, 1)))
  }
}

/// How many images a command line of `train` would train on, if that can be determined.
///
/// Files are counted by their names, not opened.
struct TrainingImageCount {
  /// Images to train on.
  let images: Int
  /// Images of a step.
  let batchSize: Int

  /// Reads what a command line says of configuration and folders; nil where that is not enough.
  init?(commandLine arguments: [String]) {
    var (config, data, validation): (String?, String?, String?)
    var overrides: [String] = []
    let flags = UnknownOption.flags(of: TrainCommand.self).map { "--" + $0 }
    var index = 0
    while index < arguments.count {
      let word = arguments[index]
      index += 1
      guard word.hasPrefix("--") else {
        config = config ?? word
        continue
      }
      let parts = word.split(separator: "=", maxSplits: 1).map(String.init)
      var value = parts.count > 1 ? parts[1] : nil
      if value == nil, !flags.contains(word), index < arguments.count {
        value = arguments[index]
        index += 1
      }
      switch parts.first {
      case "--config": config = value
      case "--data": data = value
      case "--validation": validation = value
      case "--set": if let value { overrides.append(value) }
      default: break
      }
    }
    guard let config else { return nil }
    if let data {
      overrides += ["data.train=" + JSONValue.string(data).compactText, "data.validation=null"]
    }
    if let validation {
      overrides.append("data.validation=" + JSONValue.string(validation).compactText)
    }
    guard let run = try? Preset.load(config, overrides: overrides),
      let source = try? ImageSource(path: run.data.train, member: run.data.member)
    else { return nil }
    let share = run.data.validation == nil ? run.data.validationShare : 0
    images = max(1, Int((Double(source.files.count) * (1 - share)).rounded()))
    batchSize = run.training.batchSize
  }
}
