import Files
import ArgumentParser
import Commands
import Configuration
import Foundation
import Training

/// Trains all runs of a study, as far as time allows, and tells what came out.
struct Study: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "study",
    abstract: "Trains the runs that a study lists, one after another, and tells what came out.",
    discussion: """
      Each run that ends adds one line to Benchmarks/results/study-NAME.jsonl; a run that has its \
      line is not repeated, and one that was stopped resumes from its checkpoint. So a study may \
      be stopped at any time, and takes as many evenings as it takes. The tables are printed, and \
      written to Benchmarks/studies/NAME.md.
      """)

  @Argument(help: "The study's name: a file of Benchmarks/studies without .json.")
  var name: String

  @Option(help: "Folder of images to train on, instead of the configuration's.")
  var data: String?

  @Option(help: "Folder of images to evaluate on, instead of the configuration's.")
  var validation: String?

  @Option(help: "Begin no run after so many minutes.")
  var minutes: Double?

  @Flag(help: "Train nothing: tell what the results so far say.")
  var report = false

  @OptionGroup var options: BenchOptions

  func run() throws {
    let plan = try SweepPlan.load(path: "Benchmarks/studies/\(name).json")
    let path = Self.resultsPath(name)
    var overrides: [String] = []
    func override(_ key: String, _ text: String?) {
      if let text { overrides.append(key + "=" + JSONValue.string(text).compactText) }
    }
    override("data.train", data)
    override("data.validation", validation)
    try plan.check(overrides)
    var results = try Self.results(path)
    if !report {
      let began = ContinuousClock.now
      for (index, run) in plan.runs.enumerated() {
        if results.contains(where: { $0.overrides == run.overrides }) { continue }
        let spent = began.duration(to: .now) / .seconds(60)
        if let minutes, spent > minutes {
          say("\(plan.runs.count - results.count) runs are left; the same command resumes")
          break
        }
        say("\(index + 1) of \(plan.runs.count): \(run.name)")
        let result = try known(run, plan) ?? train(run, plan, overrides)
        results.append(result)
        try Self.append(result, to: path)
        say(
          "PSNR \(Cell.decimals(result.psnr, 2)) dB, \(result.usedCodes) of \(result.codes) codes, "
            + "\(result.verdict)")
      }
    }
    let (report, machine) = (StudyReport(plan, results), Machine(options))
    print(report.text + "\n\n" + machine.text)
    try Places.write(
      Data(report.page(name, machine).utf8), to: "Benchmarks/studies/\(name).md")
    try report.writePlots(name)
  }

  private func train(
    _ run: SweepPlan.Run, _ plan: SweepPlan, _ overrides: [String]
  ) throws -> SweepResult {
    let folder = try Places.scratch("study-\(name)") + "/" + run.name
    let checkpoint = Checkpoint(folder: folder)
    let settings = (overrides + run.overrides).flatMap { ["--set", $0] }
    var arguments = ["--config", plan.config, "--output", folder, "--quiet"] + settings
    if checkpoint.hasState {
      arguments.append("--resume")
    } else {
      try? FileManager.default.removeItem(atPath: folder)
    }
    let seconds =
      Self.isFinished(folder, checkpoint)
      ? 0
      : try ChildProcess(
        Places.executable("train"), arguments + ["--threads", String(options.threads)]
      ).seconds
    let comparison = try ChildProcess(
      Places.executable("compare"), [folder, "--json", "-", "--quiet"])
    return try SweepResult(
      run, folder: folder, comparison: comparison.output, seconds: seconds,
      commit: Machine(options).tessera)
  }

  /// The result of the same run in another study of the same configuration, if there is one.
  private func known(_ run: SweepPlan.Run, _ plan: SweepPlan) throws -> SweepResult? {
    let files = try FileManager.default.contentsOfDirectory(atPath: "Benchmarks/studies").sorted()
    for file in files where file.hasSuffix(".json") && file != name + ".json" {
      guard try SweepPlan.load(path: "Benchmarks/studies/" + file).config == plan.config else {
        continue
      }
      let other = String(file.dropLast(".json".count))
      if let result = try Self.results(Self.resultsPath(other)).first(where: {
        $0.overrides == run.overrides
      }) {
        say("taken over from \(other)")
        return result.as(run)
      }
    }
    return nil
  }

  private static func resultsPath(_ study: String) -> String {
    "Benchmarks/results/study-\(study).jsonl"
  }

  /// Whether a run was stopped between its end and its line of results.
  private static func isFinished(_ folder: String, _ checkpoint: Checkpoint) -> Bool {
    guard checkpoint.hasState, let run = try? checkpoint.readConfiguration() else { return false }
    return Journal.lines(folder: folder).contains {
      $0["kind"] == .string("evaluation") && $0["step"] == .integer(run.training.steps)
    }
  }

  /// The lines that are there.
  private static func results(_ path: String) throws -> [SweepResult] {
    guard let text = try? String(contentsOfFile: path, encoding: .utf8) else { return [] }
    return try text.split(separator: "\n").map {
      try JSONDecoder().decode(SweepResult.self, from: Data($0.utf8))
    }
  }

  private static func append(_ result: SweepResult, to path: String) throws {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
    let line = try encoder.encode(result) + Data("\n".utf8)
    if !FileManager.default.fileExists(atPath: path) {
      try Data().write(to: URL(fileURLWithPath: path))
    }
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    try handle.seekToEnd()
    try handle.write(contentsOf: line)
  }
}
