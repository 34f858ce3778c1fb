import ArgumentParser
import Configuration
import Datasets
import Execution
import Foundation
import Training

/// The options that name the images to train on and to evaluate with.
struct TrainingFolders: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Folder of images to train on, instead of the configuration's.", valueName: "folder"))
  var data: String?

  @Option(
    help: ArgumentHelp(
      "Folder of images to evaluate on; with --data alone, a fraction of that folder is held out.",
      valueName: "folder"))
  var validation: String?

  func validate() throws {
    try requireName("--data", data)
    try requireName("--validation", validation)
  }

  /// The values of a configuration that they set.
  var assignments: [String] {
    func text(_ value: String) -> String { JSONValue.string(value).compactText }
    var result: [String] = []
    if let data { result += ["data.train=" + text(data), "data.validation=null"] }
    if let validation { result.append("data.validation=" + text(validation)) }
    return result
  }
}

/// Opens the images of a run, shows progress, and warns of those that cannot be used.
struct TrainingImages {
  private let run: RunConfiguration
  private let folders: RunImageFolders
  private let need: MemoryNeed
  private let terminal: Terminal

  /// Images in folders.
  ///
  /// - Parameter need: the memory that the run takes; decoded images are kept in what is left.
  init(
    _ run: RunConfiguration, folders: RunImageFolders, need: MemoryNeed, _ terminal: Terminal
  ) {
    (self.run, self.folders, self.need, self.terminal) = (run, folders, need, terminal)
  }

  func open() throws -> Dataset {
    let reading = ReadingProgress(terminal)
    let dataset = try Dataset(run, in: folders, beside: need) {
      [isQuiet = terminal.isQuiet] done, all in
      reading.report(done, all)
      // Nothing was written yet: no need to wait for the other files.
      guard Interruption.isRequested else { return }
      Terminal(isQuiet: isQuiet).say("stopped before anything was computed")
      _exit(Interruption.exitCode)
    }
    terminal.tell(
      rejected: dataset.rejected, doubtful: dataset.doubtful, notes: dataset.notes,
      transparentCount: dataset.transparentCount, background: run.data.background)
    return dataset
  }
}
