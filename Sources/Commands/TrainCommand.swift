import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Files
import Formatting
import Foundation
import Inference
import Ranks
import Safetensors
import Training

/// Trains a tokenizer on folders of images, a prior on tokens, or one without.
public struct TrainCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "train", "Trains an image tokenizer on folders of PNG and JPEG files, or a prior on its tokens."
  )

  static let help = HelpText(
    paragraphs: [
      "The configuration is one JSON file or the name of a preset (photos-64, photos-128 "
        + "and photos-256 for photographs of your own; fsq and vq for a first try). Any of its "
        + "values can be set on the command line; --list-keys lists them.",
      "The run's folder holds the resolved configuration, the weights, the state to resume "
        + "from, the metrics log (metrics.jsonl) and sample pictures. Ctrl-C finishes the step, "
        + "saves and prints the command to resume with; the resumed run is bit by bit what an "
        + "uninterrupted run would have been.",
    ],
    examples: [
      "train photos-256 --data ~/photos",
      "train fsq --data ~/photos --output checkpoints/first",
      "train photos-256 --data ~/photos --estimate",
      "train photos-256 --data 'shards/{000..099}.tar'",
      "train configs/vq.json --set quantizer.codebookSize=512",
      #"""
      train vq --set 'quantizer={"type": "lfq", "bits": 10}'
      """#,
      "train --resume --output checkpoints/first --steps 4000",
      #"""
      train --from checkpoints/scenes --data ~/photos \
        --steps 500 --output checkpoints/mine
      """#,
      #"""
      train --resume --output checkpoints/first \
        --set training.optimizer.learningRate=1e-4 \
        --allow-changes
      """#,
      "train prior --data tokens.safetensors",
      "train continuous --data ~/photos",
      "train solver --from checkpoints/continuous",
      "train --list-keys quantizer",
    ])

  @Argument(
    help: ArgumentHelp(
      "The configuration: a JSON file or the name of a preset; the same as --config.",
      valueName: "configuration"))
  var configurationName: String?

  @Option(
    help: ArgumentHelp(
      "The configuration: a JSON file, or the name of a preset such as photos-256.",
      valueName: "file"))
  var config: String?

  @OptionGroup var images: TrainingFolders

  @Option(
    help: ArgumentHelp(
      "Folder of the run (default: checkpoints/ and the configuration's name).",
      valueName: "folder"))
  var output: String?

  @Option(help: ArgumentHelp("Number of optimizer steps.", valueName: "n"))
  var steps: Int?

  @Option(help: ArgumentHelp("Random seed.", valueName: "n"))
  var seed: Int?

  @Flag(help: "Resume the run in --output.")
  var resume = false

  @Flag(
    help: """
      Resume the run in --output if there is one, else start it: the same command starts a job and \
      continues it. A finished run is left as it is.
      """)
  var resumeIfThere = false

  @Flag(
    help: """
      With --resume: allow changes of settings such as the learning rate, which \
      docs/fine-tuning.md lists. The metrics log records them.
      """)
  var allowChanges = false

  @Flag(
    help: """
      With --resume: continue although images were added to the folder or removed from it. The \
      metrics log records it.
      """)
  var allowChangedData = false

  @Option(
    help: ArgumentHelp(
      "Start a new run from the weights of this checkpoint (fine-tuning); without --config its "
        + "configuration is used as well.",
      valueName: "folder"))
  var from: String?

  @Option(
    name: .customLong("set"),
    help: ArgumentHelp(
      "Set a value of the configuration, as in training.batchSize=32; may be repeated.",
      valueName: "key.path=value"))
  var assignments: [String] = []

  @Flag(help: "Print the execution plan and memory use of a step, and exit.")
  var printPlan = false

  @Flag(
    help: """
      Profile training steps by operation and by layer, and exit; nothing is saved. Measures 5 \
      steps, or --steps.
      """)
  var trace = false

  @Flag(
    help: """
      Measure a few steps, print memory, images per second, hours and disk use of the whole run \
      and the quality of similar runs, and exit; nothing is saved.
      """)
  var estimate = false

  @Option(
    help: ArgumentHelp(
      "With --estimate: the steps to measure (default: as many as take 15 seconds).",
      valueName: "n"))
  var measuredSteps: Int?

  @Flag(
    help: """
      List every key of configurations with type, default and meaning, and exit; a prefix such as \
      quantizer may follow.
      """)
  var listKeys = false

  @Flag(help: "With --list-keys: print the page docs/configuration.md.")
  var markdown = false

  @Flag(
    help: """
      Learning-rate range test: try rates from 1e-7 to 1 in a short run from the initial weights, \
      print the losses, suggest a rate, and exit; nothing is saved. Takes 150 steps, or --steps.
      """)
  var findRate = false

  @Option(
    name: .customLong("json"),
    help: ArgumentHelp("With --find-rate: write its numbers to a file.", valueName: "file"))
  var jsonFile: String?

  @Flag(help: "Print the JSON Schema of configurations (of the kind that one names), and exit.")
  var printSchema = false

  @OptionGroup var weights: WeightsOption

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    try requireName("--config", config)
    try requireName("--output", output)
    if trace, resume {
      throw ValidationError("--trace saves nothing, so it cannot resume: remove --resume")
    }
    if let configurationName, ImageSource.namesShards(configurationName) {
      throw ValidationError(
        "expected a configuration, found the shard \(configurationName): put a pattern of shards in single "
          + "quotes, as in --data 'shards/{000..099}.tar', or name the folder")
    }
    if config != nil, let configurationName, !listKeys {
      throw ValidationError(
        "expected one configuration, found \(config!) by --config and \(configurationName)")
    }
    if !listKeys, !printSchema, named == nil, from == nil, !(resume && output != nil) {
      throw ValidationError(
        resume
          ? "--resume: expected --output with the folder of the run to resume"
          : "expected a configuration, as in train --config run.json or train photos-256. Presets: "
            + Preset.builtIn.map(\.name).joined(separator: ", "))
    }
    if let measuredSteps, measuredSteps < 1 {
      throw ValidationError("--measured-steps: expected at least 1, found \(measuredSteps)")
    }
    if measuredSteps != nil, !estimate {
      throw ValidationError("--measured-steps belongs to --estimate: add that flag")
    }
    if [trace, estimate, findRate, printPlan].count(where: \.self) > 1 {
      throw ValidationError(
        "--trace, --estimate, --find-rate and --print-plan each print and exit: choose one")
    }
    if from == nil, weights.weights == .best {
      throw ValidationError(
        "--weights chooses the weights that --from starts from: add --from with a checkpoint")
    }
    if from != nil, resume {
      throw ValidationError(
        "--from starts a new run and --resume continues one: choose one")
    }
    if resumeIfThere, resume {
      throw ValidationError(
        "--resume expects a run, --resume-if-there does not: choose one")
    }
    if resumeIfThere, [trace, estimate, findRate, printPlan].contains(true) {
      throw ValidationError(
        "--resume-if-there is for runs that are saved: remove --trace, --estimate, --find-rate and "
          + "--print-plan")
    }
    if allowChanges || allowChangedData, !resume, !resumeIfThere {
      throw ValidationError(
        "\(allowChanges ? "--allow-changes" : "--allow-changed-data") applies to a resumed run: "
          + "add --resume")
    }
    if findRate, resume || trace || printPlan {
      throw ValidationError(
        "--find-rate cannot be combined with --resume, --trace or --print-plan")
    }
    if findRate, let steps, steps < RateTest.leastSteps {
      throw ValidationError(
        "--find-rate --steps: expected at least \(RateTest.leastSteps), found \(steps)")
    }
    if jsonFile != nil, !findRate {
      throw ValidationError("--json belongs to --find-rate")
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
      return Terminal(isQuiet: options.quiet).output(schema)
    }
    try conclude(options) { terminal in
      if listKeys {
        let keys = try KeyListing.keys(configurationName)
        if markdown {
          terminal.output(KeyListing.page)
        } else {
          terminal.result(KeyListing.text(keys))
        }
        return
      }
      try withRanks(terminal) { group in
        if resumeIfThere {
          try startOrResume(terminal, group)
        } else {
          try train(terminal, group)
        }
      }
    }
  }

  /// Starts a run or continues it, by what is in its folder; one that is finished is left alone.
  private func startOrResume(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    var command = self
    let folder = try outputFolder()
    (command.output, command.resumeIfThere) = (folder, false)
    if Checkpoint(folder: folder).holdsRun {
      command.resume = true
      // It has begun from those weights; a solver needs its prior all along.
      if kind != .solver { command.from = nil }
      terminal.say("\(folder) holds a run: continuing it")
    } else {
      (command.allowChanges, command.allowChangedData) = (false, false)
    }
    do { try command.train(terminal, group) } catch let error as TrainingError {
      switch error {
      case .alreadyDone, .patienceEnded:
        terminal.result("\(folder): the run is finished; nothing to do")
      default: throw error
      }
    }
  }

  /// Trains what the configuration is of.
  private func train(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    switch kind {
    case .prior: try trainPrior(terminal, group)
    case .continuous: try trainContinuous(terminal, group)
    case .solver: try trainSolver(terminal, group)
    case .tokenizer, .model: try trainTokenizer(terminal, group)
    }
  }

  private func trainTokenizer(_ terminal: Terminal, _ group: ProcessGroup?) throws {
    let folder = try outputFolder()
    do {
      let prepared = try group.together { try prepareTokenizer(folder, terminal, group) }
      defer { prepared.lock?.release() }
      try train(prepared, folder, terminal)
    } catch DatasetError.stopped {
      terminal.say("stopped before anything was computed; \(folder) is unchanged")
      throw ExitCode(Interruption.exitCode)
    }
  }

  /// What a run of a tokenizer begins with.
  private struct PreparedTokenizer {
    let run: RunConfiguration
    let dataset: Dataset
    let trainer: TokenizerTrainer<Device>
    let progress: TrainingProgress
    let lock: FolderLock?
  }

  /// Reads all that a run needs.
  private func prepareTokenizer(
    _ folder: String, _ terminal: Terminal, _ group: ProcessGroup?
  ) throws -> PreparedTokenizer {
    let start = try from.map { try StartingWeights(folder: $0, file: weights.file) }
    let given = try configuration(start, terminal)
    try given.checkFrozen(hasWeights: resume || start != nil)
    // Images take time: what cannot fit is refused before they are read.
    let (threads, processes) = (threads(in: group), group?.size ?? 1)
    let run = try TokenizerTrainer<Device>.choosingLanes(
      given, cores: threads, group: group, folder: resume ? folder : nil)
    let need = MemoryNeed(training: run, processes: processes, on: Device())
    if !printPlan { try MemoryLimits().check(need, "training") }
    let lock = try isDry ? nil : lock(folder, group)
    Interruption.listen()
    if !isDry {
      let parameters = Codec<Device>.parameterLayout(run.tokenizer).count
      terminal.say(RunDescription(run).tokenizer(parameters: parameters))
    }
    let dataset = try TrainingImages(
      run, folders: try imageFolders(run, folder), need: need, terminal
    ).open()
    if !printPlan {
      let images = min(run.monitor.evaluationImages, max(1, dataset.validation.count))
      let need = MemoryNeed(
        training: run, evaluationImages: images, processes: processes, on: Device())
      try MemoryLimits().check(need, "training")
    }
    let progress = TrainingProgress(terminal, run, folder: folder)
    let trainer = try TokenizerTrainer(
      run, dataset: dataset, folder: folder, isResuming: resume, start: start,
      allowed: allowed, lock: lock, backend: Device(), threads: threads, group: group,
      observer: progress, shouldStop: group.shouldStop)
    return PreparedTokenizer(
      run: run, dataset: dataset, trainer: trainer, progress: progress, lock: lock)
  }

  /// Trains, or does what is asked for in place of that.
  private func train(
    _ prepared: PreparedTokenizer, _ folder: String, _ terminal: Terminal
  ) throws {
    let (run, trainer) = (prepared.run, prepared.trainer)
    if printPlan {
      terminal.result(trainer.plan.description)
    } else if trace {
      let measured = try trainer.trace(steps: steps ?? 5)
      terminal.result(TraceReport(measured, run).text)
    } else if estimate {
      let measured = try trainer.measure(steps: measuredSteps)
      let report = EstimateReport(
        measured, run, trainingImages: prepared.dataset.training.count,
        threads: trainer.threadsInUse, cores: AvailableCores.count,
        similar: ReferenceRun.similar(to: run, in: runFolders(folder)))
      terminal.result(report.text)
    } else if findRate {
      try self.findRate(trainer, terminal)
    } else {
      defer { terminal.tell(replacedIn: trainer.dataset) }
      try tell(try trainer.train(), prepared.progress, folder, terminal)
    }
  }

  /// Prints how the run ended.
  private func tell(
    _ end: RunEnd, _ progress: TrainingProgress, _ folder: String, _ terminal: Terminal
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
        "stopped after step \(step); saved to \(folder). Resume with: "
          + "\(CommandName.typed("train")) --resume --output \(shellQuoted(folder))")
      throw ExitCode(Interruption.exitCode)
    }
  }

  /// Tries learning rates and prints the result.
  private func findRate(_ trainer: TokenizerTrainer<Device>, _ terminal: Terminal) throws {
    let steps = steps ?? 150
    let test = try trainer.findRate(steps: steps) { test in
      guard let last = test.points.last else { return }
      terminal.progress(
        "step \(test.points.count)/\(steps)  rate \(String(format: "%.1e", last.rate))  "
          + "loss \(Display.loss(last.loss))")
    }
    if let jsonFile { try AtomicFile.write(test.json + "\n", to: jsonFile) }
    terminal.result(RateTestReport(test).text)
    if Interruption.isRequested { throw ExitCode(Interruption.exitCode) }
  }

  /// Where the images are: where they were when the run, or the one it begins from, was started, or
  /// else where the configuration says.
  private func imageFolders(_ run: RunConfiguration, _ folder: String) throws -> RunImageFolders {
    resume || from != nil
      ? try Checkpoint(folder: from ?? folder).imageFolders(run)
      : RunImageFolders(train: run.data.train, validation: run.data.validation)
  }

  /// What a resumed run may differ in.
  var allowed: ResumeAllowance {
    var allowed: ResumeAllowance = []
    if allowChanges { allowed.insert(.configuration) }
    if allowChangedData { allowed.insert(.images) }
    return allowed
  }

  /// Whether nothing is trained to be kept.
  private var isDry: Bool { printPlan || trace || estimate || findRate }

  /// The configuration with the command line's values over the file's.
  private func configuration(
    _ start: StartingWeights?, _ terminal: Terminal
  ) throws -> RunConfiguration {
    var assignments = assignments + (try images.assignments()) + flagAssignments
    let path: String
    if let named {
      path = named
    } else if resume, let output {
      let checkpoint = Checkpoint(folder: output)
      guard checkpoint.hasState else { throw checkpoint.withoutState }
      path = output + "/" + Checkpoint.configurationFile
    } else if let start {
      path = start.checkpoint.folder + "/" + Checkpoint.configurationFile
      let words = JSONValue.string("Fine-tuned from \(start.checkpoint.folder).").compactText
      assignments.insert("description=" + words, at: 0)
    } else {
      throw Failure(.usage, "expected a configuration: a JSON file or the name of a preset")
    }
    let run: RunConfiguration = try Preset.load(path, overrides: assignments) {
      terminal.say("note: " + $0)
    }
    guard run.origin != .standard else { return run }
    if let start { try OpenedTokenizer.requireDecoder(run, folder: start.checkpoint.folder) }
    guard start != nil else {
      throw Failure(
        .usage,
        "\(path) is the configuration of imported weights, and training from it would begin with random ones. "
          + "Fine-tune them: train --from "
          + shellQuoted(URL(fileURLWithPath: path).deletingLastPathComponent().relativePath)
          + " --data with a folder of images")
    }
    // What is trained is not what was imported any more, and needs images.
    let trained = ["origin.family=\"\"", "origin.file=\"\"", "origin.parts=\"whole\""]
    return try Preset.load(path, overrides: assignments + trained) { _ in }
  }

  /// Where runs lie that may be like this one: `checkpoints/`, and beside the output.
  private func runFolders(_ folder: String) -> [String] {
    let parent = URL(fileURLWithPath: folder).deletingLastPathComponent().path
    let standard = URL(fileURLWithPath: "checkpoints").path
    return parent == standard || folder.isEmpty ? ["checkpoints"] : ["checkpoints", parent]
  }

  /// The configuration, by either way of naming it.
  var named: String? { config ?? configurationName }

  /// What is trained: as the configuration says, or the run that is resumed.
  private var kind: RunKind {
    if let named { return Preset.kind(named) }
    return (resume ? output : from).flatMap { try? Checkpoint(folder: $0).kind() } ?? .tokenizer
  }

  /// The schema of configurations of that kind.
  private var schema: String {
    switch kind {
    case .tokenizer, .model: RunConfiguration.schema()
    case .prior: PriorRunConfiguration.schema()
    case .continuous: ContinuousRunConfiguration.schema()
    case .solver: SolverRunConfiguration.schema()
    }
  }

  /// The flags that stand for values of the configuration.
  var flagAssignments: [String] {
    var result: [String] = []
    if let steps, !findRate { result.append("training.steps=\(steps)") }
    if let seed { result.append("training.seed=\(seed)") }
    return result
  }

  func outputFolder() throws -> String {
    if let output { return output }
    guard let named else {
      throw Failure(.usage, "expected --output with a folder for the new run")
    }
    return "checkpoints/" + Preset.runName(named)
  }
}
