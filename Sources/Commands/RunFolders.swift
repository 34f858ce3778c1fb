import Foundation
import Training

/// The runs that the arguments of `compare` name.
///
/// A folder of runs stands for the runs in it. Files and folders without a run are skipped, so
/// that `checkpoints/*` may have a README beside its runs.
struct RunFolders {
  /// The runs' folders, in order; those that are not there among them.
  private(set) var folders: [String] = []
  /// What was skipped or stands for several runs, one sentence each.
  private(set) var notes: [String] = []

  /// Files that only a run has.
  private static let files = [
    Checkpoint.configurationFile, Checkpoint.modelFile, Checkpoint.stateFile, Journal.fileName,
  ]

  /// Looks at the arguments.
  ///
  /// - Throws: a failure where they name no run at all.
  init(_ arguments: [String]) throws {
    var passed: [String] = []
    for argument in arguments {
      var isFolder: ObjCBool = false
      guard FileManager.default.fileExists(atPath: argument, isDirectory: &isFolder) else {
        folders.append(argument)
        continue
      }
      guard isFolder.boolValue else {
        let parent = (argument as NSString).deletingLastPathComponent
        let whole = parent.isEmpty ? "." : parent
        passed.append(
          Self.isRun(whole)
            ? "\(argument): expected a run's folder, found a file of one. Name \(whole)."
            : "\(argument): expected a folder that `train` wrote, found a file.")
        continue
      }
      if Self.isRun(argument) {
        folders.append(argument)
        continue
      }
      let runs = Self.runs(in: argument)
      if runs.isEmpty {
        passed.append(
          "\(argument): expected a run's folder or a folder of runs; neither it nor a folder in it "
            + "holds \(Checkpoint.configurationFile). Name a folder that `train` wrote.")
      } else {
        notes.append("\(argument) holds the runs \(runs.joined(separator: ", "))")
        folders += runs
      }
    }
    guard !folders.isEmpty else {
      throw Failure(.noInput, passed.joined(separator: "\n"))
    }
    notes += passed.map { "skipped: " + $0 }
  }

  private static func isRun(_ folder: String) -> Bool {
    files.contains { FileManager.default.fileExists(atPath: folder + "/" + $0) }
  }

  private static func runs(in folder: String) -> [String] {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let start = folder.hasSuffix("/") ? folder : folder + "/"
    return names.filter { !$0.hasPrefix(".") }
      .sorted { $0.utf8.lexicographicallyPrecedes($1.utf8) }
      .map { start + $0 }
      .filter { FileManager.default.fileExists(atPath: $0 + "/" + Checkpoint.configurationFile) }
  }
}
