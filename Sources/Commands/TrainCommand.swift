import ArgumentParser
import CPUBackend
import Configuration
import Datasets
import Execution
import Foundation
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
    if trace, resume {
      throw ValidationError(
        "--trace saves nothing, so there is nothing to go on with: leave out --resume")
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
      let run = try configuration()
      let folder = try outputFolder()
      let checkpoint = Checkpoint(folder: folder)
      if !printPlan && !trace && !resume && checkpoint.hasRun {
        throw TrainingError.outputExists(folder: folder)
      }
      let dataset = try open(run, terminal)
      Interruption.listen()
      let progress = TrainingProgress(terminal, run)
      let trainer = try Trainer(
        run, dataset: dataset, folder: folder, isResuming: resume, backend: Device(),
        threads: options.threadCount, observer: progress,
        shouldStop: { Interruption.isRequested })
      if printPlan {
        terminal.result(trainer.plan.description)
        return
      }
      if trace {
        let measured = try trainer.trace(steps: steps ?? 5)
        terminal.result(TraceReport(measured, run).text)
        return
      }
      switch try trainer.train() {
      case .finished:
        terminal.result(progress.summary(folder))
      case .interrupted(let step):
        terminal.say(
          "stopped after step \(step); everything is in \(folder). Go on with: "
            + "train --resume --output \(shellQuoted(folder))")
        throw ExitCode(Interruption.exitCode)
      }
    }
  }

  /// The configuration with the command line's values over the file's.
  private func configuration() throws -> RunConfiguration {
    let path: String
    if let config {
      path = config
    } else if resume, let output {
      guard Checkpoint(folder: output).hasRun else {
        throw TrainingError.noCheckpoint(folder: output, missing: Checkpoint.stateFile)
      }
      path = output + "/" + Checkpoint.configurationFile
    } else {
      throw Failure(
        .usage,
        "expected --config with a configuration, such as configs/fsq.json"
          + (resume ? ", or --output with the run to go on with" : ""))
    }
    return try RunConfiguration.load(path: path, overrides: assignments + flagAssignments)
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
    guard let config else { return "" }
    let name = URL(fileURLWithPath: config).deletingPathExtension().lastPathComponent
    return "checkpoints/" + name
  }

  /// Opens the images and tells of those that cannot be used.
  private func open(_ run: RunConfiguration, _ terminal: Terminal) throws -> Dataset {
    let data = run.data
    let dataset = try Dataset(
      train: data.train, validation: data.validation, validationShare: data.validationShare,
      seed: UInt64(bitPattern: Int64(run.training.seed)), augmentation: data.augmentation,
      cacheMegabytes: data.cacheMegabytes)
    for image in dataset.rejected.prefix(10) { terminal.warn("left out: \(image.reason)") }
    if dataset.rejected.count > 10 {
      terminal.warn("left out: \(dataset.rejected.count - 10) more files that cannot be decoded")
    }
    return dataset
  }
}

/// A path as a shell takes it; one with control characters as bash, zsh and ksh do.
func shellQuoted(_ path: String) -> String {
  if path.allSatisfy({ $0.isLetter || $0.isNumber || "/._-".contains($0) }) { return path }
  if path == VisibleText.line(path) {
    return "'" + path.replacingOccurrences(of: "'", with: "'\\''") + "'"
  }
  return "$'"
    + path.utf8.map { byte in
      switch byte {
      case UInt8(ascii: "'"), UInt8(ascii: "\\"): "\\" + String(UnicodeScalar(byte))
      case 0x20..<0x7F: String(UnicodeScalar(byte))
      default: "\\x" + (byte < 16 ? "0" : "") + String(byte, radix: 16)
      }
    }.joined() + "'"
}
