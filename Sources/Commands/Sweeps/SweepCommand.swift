import ArgumentParser
import Configuration
import Files
import Formatting
import Foundation
import Training

/// Trains many runs and compares them.
public struct SweepCommand: DocumentedCommand {
  /// Name, summary and examples.
  public static let configuration = documented(
    "sweep", "Trains variants of a configuration with several seeds, and reports on all of them.")

  static let help = HelpText(
    paragraphs: [
      "The plan is a JSON file with the configuration that all runs share, the variants "
        + "(values to set, as with train --set), the seeds, and optional sizes. Every variant is "
        + "trained at every size with every seed; all configurations are checked before the first "
        + "run starts.",
      "Each run has its folder under --output, and a line in results.jsonl when it ends. Runs that "
        + "are finished are skipped, one that was interrupted is resumed bit by bit, and one that "
        + "failed is recorded, does not stop the others, and is tried again by the same command. "
        + "The report has a table with means over seeds (report.md), the output of compare for "
        + "all runs (report.txt), and the page report.html.",
    ],
    examples: [
      "sweep plan.json --output runs/codes",
      "sweep plan.json --output runs/codes --dry-run",
      "sweep plan.json --output runs/codes --minutes 90",
      #"""
      sweep plan.json --output runs/codes --data ~/photos \
        --steps 500
      """#,
    ])

  @Argument(help: ArgumentHelp("The plan, a JSON file.", valueName: "plan"))
  var plan: String?

  @Option(help: ArgumentHelp("Folder of all runs and of the report.", valueName: "folder"))
  var output: String?

  @OptionGroup var images: TrainingFolders

  @Option(help: ArgumentHelp("Number of optimizer steps of each run.", valueName: "n"))
  var steps: Int?

  @Option(
    help: ArgumentHelp(
      "Stop after n minutes; the current run is saved, and the same command resumes it.",
      valueName: "n"))
  var minutes: Double?

  @Flag(help: "Check the plan, list its runs and their status, and exit.")
  var dryRun = false

  @Flag(help: "Train nothing; report on the finished runs.")
  var report = false

  @Flag(help: "Print the JSON Schema of plans, and exit.")
  var printSchema = false

  @OptionGroup var options: CommandOptions

  /// A command as the parser fills it in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    guard !printSchema else { return }
    if plan == nil { throw ValidationError("expected a plan, a JSON file") }
    if output == nil { throw ValidationError("expected --output with a folder for the runs") }
    if let minutes, !(minutes > 0) {
      throw ValidationError("--minutes: expected more than 0, found \(minutes)")
    }
    if let steps, steps < 1 {
      throw ValidationError("--steps: expected at least 1, found \(steps)")
    }
    if dryRun, report { throw ValidationError("--dry-run and --report: choose one") }
  }

  /// Trains and reports.
  public func run() throws {
    if printSchema {
      Terminal(isQuiet: options.quiet).output(SweepPlan.schema())
      return
    }
    try conclude(options) { terminal in
      guard let path = plan, let output else { preconditionFailure("validate asks for both") }
      let plan = try SweepPlan.load(path: path)
      try plan.check(try overrides())
      let runner = SweepRunner(
        plan: plan, overrides: try overrides(), output: output, threads: options.threads,
        terminal: terminal)
      if dryRun {
        terminal.result(try listing(runner))
        return
      }
      do throws(FileError) {
        try Folder.make(output)
      } catch {
        throw Failure(cannotMakeFolder: output, error)
      }
      Interruption.listen()
      let end: SweepRunner.End = report ? .complete : try runner.train(minutes: minutes)
      if case .interrupted = end {
        terminal.say("stopped; everything is saved. The same command resumes.")
        throw ExitCode(Interruption.exitCode)
      }
      let failures = try conclude(runner, path, end)
      if !failures.isEmpty { throw ExitCode(Failure.Code.badData.rawValue) }
    }
  }

  /// Values for all runs that override the plan's.
  private func overrides() throws -> [String] {
    var result = try images.assignments()
    if let steps { result.append("training.steps=\(steps)") }
    return result
  }

  /// Every run with what is known of it.
  private func listing(_ runner: SweepRunner) throws -> String {
    let records = try SweepRecord.read(runner.resultsPath)
    let lines = try runner.plan.runs.map { run in
      let record = records.first { $0.overrides == run.overrides }
      let state =
        if try runner.isDone(run, records) {
          "done    "
        } else if record?.failure != nil {
          "failed  "
        } else {
          Checkpoint(folder: runner.folder(run)).hasState ? "started " : "to do   "
        }
      return state + run.name + "  " + run.overrides.joined(separator: " ")
    }
    return (lines + ["\(Display.count(runner.plan.runs.count, "run"))"]).joined(separator: "\n")
  }

  /// Writes and prints the report of all finished runs; returns what failed.
  private func conclude(
    _ runner: SweepRunner, _ path: String, _ end: SweepRunner.End
  ) throws -> [SweepFailure] {
    let terminal = runner.terminal
    let all = runner.plan.runs
    let records = try SweepRecord.read(runner.resultsPath)
      .filter { record in all.contains { $0.overrides == record.overrides } }
    let results = records.compactMap(\.result)
    let failures = records.compactMap(\.failure)
    if !results.isEmpty {
      let tables = SweepReport(runner.plan, results).text
      try AtomicFile.write(
        "# Sweep: \(URL(fileURLWithPath: path).lastPathComponent)\n\n\(tables)\n"
          + (failures.isEmpty ? "" : "\n" + Self.list(failures) + "\n"),
        to: runner.output + "/report.md")
      terminal.result(tables)
      let folders = all.filter { run in results.contains { $0.overrides == run.overrides } }
        .map { runner.folder($0) }
      let page = runner.output + "/report.html"
      let comparison = try ChildCommand("compare", folders + ["--html", page, "--quiet"])
      guard comparison.code == 0 else {
        throw Failure(.internal, "compare: \(comparison.failure)")
      }
      try AtomicFile.write(comparison.output, to: runner.output + "/report.txt")
      terminal.result("\n" + comparison.output)
      terminal.result("\(runner.output): report.md, report.txt, report.html")
    }
    if !failures.isEmpty { terminal.result(Self.list(failures)) }
    if case .timeIsUp(let left) = end {
      terminal.say("\(Display.count(left, "run")) left; the same command resumes")
    }
    return failures
  }

  private static func list(_ failures: [SweepFailure]) -> String {
    (["\(Display.count(failures.count, "run")) failed:"]
      + failures.map {
        let name = [$0.variant, $0.size].filter { !$0.isEmpty }.joined(separator: ", ")
        return "- \(name), seed \($0.seed): code \($0.code), \($0.failure)"
      })
      .joined(separator: "\n")
  }
}
