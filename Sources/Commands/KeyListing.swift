import Configuration
import Foundation
import Training

/// All keys of a configuration as text for a terminal, or as the page `docs/configuration.md`.
enum KeyListing {
  /// The keys whose path begins with some text, or else those that contain it.
  static func keys(_ prefix: String?) throws -> [ConfigurationKey] {
    let all = RunConfiguration.keys
    guard let prefix, !prefix.isEmpty else { return all }
    let under = all.filter { $0.path == prefix || $0.path.hasPrefix(prefix + ".") }
    if !under.isEmpty { return under }
    let containing = all.filter { $0.path.lowercased().contains(prefix.lowercased()) }
    if !containing.isEmpty { return containing }
    let near =
      RunConfiguration.habits.first { $0.answers(prefix) }?.path
      ?? nearest(to: prefix, among: all.map(\.path))
    throw Failure(
      .usage,
      "--list-keys: no key begins with \"\(prefix)\" or contains it. "
        + (near.map { "Did you mean \"\($0)\"? " } ?? "")
        + "Without a prefix all keys are listed.")
  }

  /// A key a paragraph: path, what it accepts and its default, then what it means.
  static func text(_ keys: [ConfigurationKey]) -> String {
    keys.map { key in
      let types = key.types.isEmpty ? "" : "  [type \(key.types.joined(separator: ", "))]"
      let standard = key.standard.map { "  default \($0)" } ?? "  required"
      return "\(key.path)  \(key.kind)\(standard)\(types)\n    \(key.meaning)"
    }
    .joined(separator: "\n")
  }

  /// The page of all keys, a table for each object.
  static var page: String {
    var lines = [
      "# Configuration: every key", "",
      "Made by `train --list-keys --markdown`; a test holds this page equal to the program. A "
        + "configuration is one JSON file, such as those in [`configs`](../configs). Any value can "
        + "be set on the command line: `--set training.batchSize=32`, or a whole object, "
        + "`--set 'quantizer={\"type\": \"vq\", \"codebookSize\": 512}'`. What a file leaves out has "
        + "the default. `train --list-keys quantizer` prints the keys of one object.",
    ]
    var section: String?
    for key in RunConfiguration.keys {
      let parts = key.path.split(separator: ".").map(String.init)
      let object = parts.dropLast().joined(separator: ".")
      if object != section {
        section = object
        lines += [
          "", "## " + (object.isEmpty ? "The file" : object), "",
          "| key | accepts | default | meaning |", "| --- | --- | --- | --- |",
        ]
      }
      let types =
        key.types.isEmpty
        ? "" : " *(" + key.types.map { "`\($0)`" }.joined(separator: ", ") + ")*"
      lines.append(
        "| `\(parts.last ?? key.path)` | \(cell(key.kind)) | "
          + (key.standard.map { "`\($0)`" } ?? "required") + " | \(cell(key.meaning))\(types) |")
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private static func cell(_ text: String) -> String {
    text.replacingOccurrences(of: "|", with: "\\|").replacingOccurrences(of: "<", with: "&lt;")
  }
}
