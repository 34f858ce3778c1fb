import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Foundation
import Safetensors
import Training

/// Trains a tokenizer on folders of images.
public struct TrainCommand: ParsableCommand {
  /// Name, summary and examples.
  public static let configuration = CommandConfiguration(
    commandName: "train",
    abstract: "Trains an image tokenizer on folders of PNG and JPEG files.",
    discussion: """
      The configuration is one JSON file; any of its values can be set on the command line. The
      run's folder holds the resolved configuration, the weights, the state to resume from, the
      journal (metrics.jsonl) and sample pictures. Ctrl-C finishes the step, saves and says how to
      go on; the continuation is bit by bit what an unstopped run would have been.

      EXAMPLES
        train --config configs/fsq.json
        train --config configs/fsq.json --data ~/photos --output checkpoints/photos
        train --config configs/vq.json --set quantizer.codebookSize=512 --steps 2000
        train --resume --output checkpoints/photos --steps 4000
        train --resume --output checkpoints/photos --set training.optimizer.learningRate=1e-4 \
          --allow-changes
        train --from checkpoints/scenes --data ~/photos --steps 500 --output checkpoints/mine
        train --config configs/vq.json --trace
      """)

  @Option(help: ArgumentHelp("The configuration, a JSON file.", valueName: "file"))
  var config: String?

  @Option(
    help: ArgumentHelp(
      "Folder of images to train on, instead of the configuration's.", valueName: "folder"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Folder of images to evaluate on; with --data alone, a share of that folder is held out.",
      valueName: "folder"))
  var validation: String?

  @Option(
    help: ArgumentHelp(
      "Folder of the run (default: checkpoints/ and the configuration's name).",
      valueName: "folder"))
  var output: String?

  @Option(help: ArgumentHelp("Updates to make.", valueName: "n"))
  var steps: Int?

  @Option(help: ArgumentHelp("Start of all random numbers.", valueName: "n"))
  var seed: Int?

  @Flag(help: "Go on with the run in the output folder.")
  var resume = false

  @Flag(
    help: """
      With --resume: go on with other values of what the further course of a run depends on, such as \
      the learning rate; docs/fine-tuning.md lists them. The journal records it.
      """)
  var allowChanges = false

  @Flag(
    help: """
      With --resume: go on although images were added to the folder or removed from it. The journal \
      records it.
      """)
  var allowChangedData = false

  @Option(
    help: ArgumentHelp(
      "Begin a new run with the weights of this checkpoint (fine-tuning); without --config its "
        + "configuration is taken over as well.",
      valueName: "folder"))
  var from: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set a value of the configuration, as in training.batchSize=32; may be repeated.",
      valueName: "key.path=value"))
  var assignments: [String] = []

  @Flag(help: "Print the plan of a training step with its memory, and end.")
  var printPlan = false

  @Flag(
    help: """
      Print where the time of a training step goes, by operation and by layer, and end; nothing is \
      saved. Measures 5 steps, or as many as --steps says.
      """)
  var trace = false

  @Flag(help: "Print the JSON Schema of configurations, and end.")
  var printSchema = false

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--config", config)
    try requireName("--data", data)
    try requireName("--validation", validation)
    try requireName("--output", output)
    if trace, resume {
      throw ValidationError(
        "--trace saves nothing, so there is nothing to go on with: leave out --resume")
    }
    if from != nil, resume {
      throw ValidationError(
        "--from begins a new run and --resume goes on with one: leave out either")
    }
    if allowChanges || allowChangedData, !resume {
      throw ValidationError(
        "\(allowChanges ? "--allow-changes" : "--allow-changed-data") is about a run that goes on: "
          + "add --resume")
    }
    if output?.isEmpty ?? false {
      throw ValidationError("--output: expected a folder, found an empty name")
    }
    if trace, let steps, steps < 1 {
      throw ValidationError("--trace --steps: expected at least 1, found \(steps)")
    }
  }

  /// Trains.
  public func run() throws {
    if printSchema {
      Terminal(isQuiet: options.quiet).output(RunConfiguration.schema())
      return
    }
    try conclude(options) { terminal in
      let start = try from.map { try StartingWeights(folder: $0) }
      let run = try configuration(start)
      let folder = try outputFolder()
      // Images take time: what cannot fit is refused before they are read.
      let need = MemoryNeed(training: run, on: Device())
      if !printPlan { try MemoryLimits().check(need, "training") }
      let lock = try lockFolder(Checkpoint(folder: folder))
      defer { lock?.release() }
      Interruption.listen()
      do {
        let dataset = try open(run, folder, need, terminal)
        if !printPlan {
          let images = min(run.monitor.evaluationImages, max(1, dataset.validation.count))
          let need = MemoryNeed(training: run, evaluationImages: images, on: Device())
          try MemoryLimits().check(need, "training")
        }
        let progress = TrainingProgress(terminal, run)
        let trainer = try Trainer(
          run, dataset: dataset, folder: folder, isResuming: resume, start: start,
          allowed: allowed, lock: lock, backend: Device(), threads: options.threadCount,
          observer: progress, shouldStop: { Interruption.isRequested })
        if printPlan {
          terminal.result(trainer.plan.description)
        } else if trace {
          let measured = try trainer.trace(steps: steps ?? 5)
          terminal.result(TraceReport(measured, run).text)
        } else {
          try tell(try trainer.train(), progress, folder, terminal)
        }
      } catch DatasetError.stopped {
        terminal.say("stopped before anything was computed; \(folder) is as it was")
        throw ExitCode(Interruption.exitCode)
      }
    }
  }

  /// Says how the run ended.
  private func tell(
    _ end: Trainer<Device>.End, _ progress: TrainingProgress, _ folder: String, _ terminal: Terminal
  ) throws {
    switch end {
    case .finished:
      terminal.result(progress.summary(folder))
    case .patienceEnded(let step, let evaluations, let bestStep, let best):
      terminal.result(
        progress.summary(
          folder, steps: step, evaluations: evaluations, bestStep: bestStep, best: best))
    case .interrupted(let step):
      terminal.say(
        "stopped after step \(step); everything is in \(folder). Go on with: "
          + "train --resume --output \(shellQuoted(folder))")
      throw ExitCode(Interruption.exitCode)
    }
  }

  /// What a resumed run may differ in.
  private var allowed: ResumeAllowance {
    var allowed: ResumeAllowance = []
    if allowChanges { allowed.insert(.configuration) }
    if allowChangedData { allowed.insert(.images) }
    return allowed
  }

  /// Keeps other processes out of the run's folder, before anything else takes its time; nil where
  /// there is none yet, or nothing is written.
  private func lockFolder(_ checkpoint: Checkpoint) throws -> FolderLock? {
    if printPlan || trace { return nil }
    if resume {
      guard checkpoint.hasState else { throw checkpoint.withoutState }
    } else {
      try checkpoint.checkIsFree()
    }
    return checkpoint.hasFolder ? try checkpoint.lock() : nil
  }

  /// The configuration with the command line's values over the file's.
  private func configuration(_ start: StartingWeights?) throws -> RunConfiguration {
    var assignments = assignments + flagAssignments
    let path: String
    if let config {
      path = config
    } else if resume, let output {
      let checkpoint = Checkpoint(folder: output)
      guard checkpoint.hasState else { throw checkpoint.withoutState }
      path = output + "/" + Checkpoint.configurationFile
    } else if let start {
      path = start.checkpoint.folder + "/" + Checkpoint.configurationFile
      let words = JSONValue.string("Fine-tuned from \(start.checkpoint.folder).").compactText
      assignments.insert("description=" + words, at: 0)
    } else {
      throw Failure(
        .usage,
        "expected --config with a configuration, such as configs/fsq.json"
          + (resume ? ", or --output with the run to go on with" : ""))
    }
    return try RunConfiguration.load(path: path, overrides: assignments)
  }

  /// The flags that stand for values of the configuration.
  private var flagAssignments: [String] {
    func text(_ value: String) -> String { JSONValue.string(value).compactText }
    var result: [String] = []
    if let data { result += ["data.train=" + text(data), "data.validation=null"] }
    if let validation { result.append("data.validation=" + text(validation)) }
    if let steps { result.append("training.steps=\(steps)") }
    if let seed { result.append("training.seed=\(seed)") }
    return result
  }

  private func outputFolder() throws -> String {
    if let output { return output }
    guard let config else {
      throw Failure(.usage, "expected --output with a folder for the new run")
    }
    let name = URL(fileURLWithPath: config).deletingPathExtension().lastPathComponent
    return "checkpoints/" + name
  }

  /// Opens the images and tells of those that cannot be used.
  ///
  /// What is kept of them in memory leaves room for the run.
  private func open(
    _ run: RunConfiguration, _ folder: String, _ need: MemoryNeed, _ terminal: Terminal
  ) throws -> Dataset {
    let data = run.data
    let checkpoint = Checkpoint(folder: from ?? folder)
    let folders =
      resume || from != nil
      ? try checkpoint.imageFolders(run)
      : RunImageFolders(train: data.train, validation: data.validation)
    let room = MemoryLimits().least.bytes - need.bytes - 2 * MemoryLimits.reserve
    let cacheMegabytes = min(data.cacheMegabytes, Int(max(0, room) / 0x1p20))
    let dataset = try Dataset(
      train: folders.train, validation: folders.validation, validationShare: data.validationShare,
      seed: UInt64(bitPattern: Int64(run.training.seed)), augmentation: data.augmentation,
      cacheMegabytes: cacheMegabytes)
    for image in dataset.rejected.prefix(10) { terminal.warn("left out: \(image.reason)") }
    if dataset.rejected.count > 10 {
      terminal.warn("left out: \(dataset.rejected.count - 10) more files that cannot be decoded")
    }
    return dataset
  }
}
