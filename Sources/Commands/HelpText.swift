import ArgumentParser
import Configuration
import Foundation
import Training

/// What `--help` says of a command beside its options.
///
/// Paragraphs hold no line ends of their own and wrap to any width; examples are lines of at most
/// `widestExample` characters, longer ones continued by a backslash, so that none is ever wrapped.
struct HelpText {
  /// The most characters of an example's line: it fits where 60 columns are.
  static let widestExample = 58

  /// What the command does, a text without line ends each.
  let paragraphs: [String]
  /// Command lines to begin with, the most common first.
  let examples: [String]

  /// The text under the summary.
  var discussion: String {
    (paragraphs + [Self.codes]).joined(separator: "\n\n") + "\n\n" + exampleLines(examples.count)
  }

  /// The first examples under their heading.
  func exampleLines(_ count: Int) -> String {
    (["EXAMPLES"]
      + examples.prefix(count).flatMap { example in
        Self.lines(example).map { "  " + $0 }
      })
      .joined(separator: "\n")
  }

  /// An example as its user types it, broken before options anew where the program's name goes
  /// before it.
  private static func lines(_ example: String) -> [String] {
    let lines = example.split(separator: "\n").map(String.init)
    guard let family = CommandName.family else { return lines }
    let whole = lines.map { line in
      line.trimmingCharacters(in: .whitespaces.union(CharacterSet(charactersIn: "\\")))
    }.joined(separator: " ")
    var result = [family]
    for part in whole.replacing(" --", with: "\n--").split(separator: "\n") {
      // Two for the continuation's mark.
      if result[result.count - 1].count + 1 + part.count <= widestExample - 2 {
        result[result.count - 1] += " " + part
      } else {
        result[result.count - 1] += " \\"
        result.append("  " + part)
      }
    }
    return result
  }

  /// What all commands end with.
  private static let codes =
    "Exit codes: 0 success, 64 wrong usage, 65 bad data, 66 missing input, 70 internal error, 73 or "
    + "74 output that cannot be created or written, 130, 143 or 129 after Ctrl-C, SIGTERM or SIGHUP."
}

/// A command that explains itself: its help, its version, and what follows on wrong usage.
protocol DocumentedCommand: ParsableCommand {
  /// Paragraphs and examples of its help.
  static var help: HelpText { get }
}

extension DocumentedCommand {
  /// What the parser needs to know of a command.
  static func documented(_ name: String, _ abstract: String) -> CommandConfiguration {
    CommandConfiguration(
      commandName: name, abstract: abstract, discussion: help.discussion,
      version: "\(CommandName.typed(name)) \(Release.version) (Tessera)")
  }
}
