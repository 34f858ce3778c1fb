import Files
import ArgumentParser
import Configuration
import CPUBackend
import Datasets
import Evaluation
import Execution
import Foundation
import Kernels
import Reports
import Training

/// The same training twice: with Winograd's convolutions, and with the plain ones.
struct Accuracy: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "accuracy",
    abstract: "Trains one configuration by Winograd's convolutions and by plain ones.",
    discussion: """
      Both runs of a seed have the same first weights, images and order. Rounding alone sets them \
      apart, but training amplifies it: at a constant learning rate the last weights are those of a \
      walk, and two walks part. The mean difference over several seeds says whether rounding does \
      harm; so does one seed where the learning rate decays (--set training.schedule.type=linear).
      """)

  @Option(help: "The configuration.")
  var config = "configs/cifar10-fsq.json"

  @Option(help: "Folder of images to train on, instead of the configuration's.")
  var data: String?

  @Option(help: "Folder of images to evaluate on, instead of the configuration's.")
  var validation: String?

  @Option(help: "Updates to make, instead of the configuration's.")
  var steps: Int?

  @Option(help: "Runs of each kind, with the seeds 0, 1, 2, ...")
  var seeds = 1

  @Option(name: .customLong("set"), help: "Set a value of the configuration; may be repeated.")
  var assignments: [String] = []

  @OptionGroup var options: BenchOptions

  func run() throws {
    var overrides = assignments
    func override(_ key: String, _ text: String?) {
      if let text { overrides.append(key + "=" + JSONValue.string(text).compactText) }
    }
    override("data.train", data)
    override("data.validation", validation)
    if let steps { overrides.append("training.steps=\(steps)") }

    var results = Results(machine: Machine(options), config: config, overrides: assignments)
    var table = MarkdownTable(
      ["seed", "PSNR dB", "plain", "difference", "codes used", "plain", "seconds", "plain"],
      textColumns: 0)
    for seed in 0..<seeds {
      let run = try RunConfiguration.load(
        path: config, overrides: overrides + ["training.seed=\(seed)"])
      let pair = Pair(
        seed: seed, steps: run.training.steps, winograd: try train(run, "Winograd", .fastest),
        plain: try train(run, "plain", .patches))
      results.pairs.append(pair)
      table.add([
        String(seed), Cell.decimals(pair.winograd.psnr, 3), Cell.decimals(pair.plain.psnr, 3),
        Cell.decimals(pair.difference, 3), String(pair.winograd.codesUsed),
        String(pair.plain.codesUsed), Cell.decimals(pair.winograd.seconds, 1),
        Cell.decimals(pair.plain.seconds, 1),
      ])
    }
    print(table.text)
    print("\n" + conclusion(results.pairs) + "\n")
    print(results.machine.text)
    try Places.write(results, to: "accuracy.json")
  }

  /// The mean difference with its standard error.
  private func conclusion(_ pairs: [Pair]) -> String {
    let count = Double(pairs.count)
    let mean = pairs.reduce(0) { $0 + $1.difference } / count
    let squares = pairs.reduce(0) { $0 + ($1.difference - mean) * ($1.difference - mean) }
    let error = pairs.count > 1 ? (squares / (count - 1) / count).squareRoot() : .nan
    return "\(config)\(assignments.map { ", " + $0 }.joined()), \(pairs[0].steps) steps; mean "
      + "difference \(Cell.decimals(mean, 3)) dB, standard error \(Cell.decimals(error, 3)) dB."
  }

  private struct Results: Codable {
    let machine: Machine
    let config: String
    let overrides: [String]
    var pairs: [Pair] = []
  }

  /// Two runs that differ in their convolutions alone.
  private struct Pair: Codable {
    let seed, steps: Int
    let winograd, plain: Run

    /// How much better Winograd's images are, in dB.
    var difference: Double { winograd.psnr - plain.psnr }
  }

  /// How a run ended.
  private struct Run: Codable {
    let psnr, ssim: Double
    let codesUsed: Int
    let perplexity, seconds: Double
  }

  private func train(
    _ run: RunConfiguration, _ name: String, _ algorithm: ConvolutionAlgorithm
  ) throws -> Run {
    let data = run.data
    let dataset = try Dataset(
      train: data.train, validation: data.validation, validationShare: data.validationShare,
      seed: UInt64(bitPattern: Int64(run.training.seed)), augmentation: data.augmentation,
      cacheMegabytes: data.cacheMegabytes)
    let observer = Observer(name)
    let trainer = try TokenizerTrainer(
      run, dataset: dataset, folder: try Places.emptyScratch("accuracy-" + name),
      isResuming: false, backend: CPUBackend(convolutions: algorithm), threads: options.threads,
      observer: observer)
    let seconds = try ContinuousClock().measure { _ = try trainer.train() } / .seconds(1)
    guard let last = observer.last else { throw BenchmarkError("\(name): no evaluation was made") }
    return Run(
      psnr: last.psnr, ssim: last.ssim, codesUsed: last.usage.used,
      perplexity: last.usage.perplexity, seconds: seconds)
  }

  /// Keeps the last evaluation.
  private final class Observer: TrainingObserver {
    let name: String
    var last: EvaluationResult?

    init(_ name: String) { self.name = name }

    func trainingWillBegin(_ overview: TrainingOverview) {}
    func didStep(_ report: StepReport) {}
    func didCompare(_ averages: AveragesReport, step: Int) {}
    func didSave(step: Int, folder: String) {}
    func didEvaluate(_ result: EvaluationResult, step: Int) {
      last = result
      say("\(name), step \(step): PSNR \(Cell.decimals(result.psnr, 3)) dB")
    }
  }
}
