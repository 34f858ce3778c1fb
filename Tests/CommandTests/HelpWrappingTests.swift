import FileTestSupport
import Foundation
import Testing

/// Help as terminals of several widths show it.
@Suite struct HelpWrappingTests {
  static let commands = ["train", "encode", "decode", "compare", "scenes", "sweep"]
  /// Those, and what `tessera` alone has.
  private static let all =
    commands + [
      "tessera sample", "tessera score", "tessera quality", "tessera export",
    ]

  private func help(_ command: String, columns: Int) throws -> [String] {
    let words = command.split(separator: " ").map(String.init)
    let outcome = try CommandRunner.run(
      program: "/usr/bin/env",
      ["COLUMNS=\(columns)", CommandRunner.path(of: words[0])] + words[1...] + ["--help"])
    #expect(outcome.code == 0)
    return outcome.output.split(separator: "\n", omittingEmptySubsequences: false).map(String.init)
  }

  @Test(arguments: all, [60, 80, 100])
  func noLineIsTooLong(command: String, columns: Int) throws {
    for line in try help(command, columns: columns) {
      // A word alone on its line cannot be broken.
      let isOneWord = !line.drop { $0 == " " }.contains(" ")
      #expect(line.count <= columns || isOneWord, "\(line.count): \(line)")
    }
  }

  /// A line of a paragraph ends because the next word would not fit, never because somebody broke it.
  @Test(arguments: all, [60, 80, 100])
  func noLineInsideAParagraphIsShort(command: String, columns: Int) throws {
    let lines = try help(command, columns: columns)
    let examples = try #require(lines.firstIndex(of: "EXAMPLES"))
    let usage = try #require(lines.firstIndex { $0.hasPrefix("USAGE:") })
    let options = try #require(lines.firstIndex(of: "OPTIONS:"))
    func indentation(_ line: String) -> Int { line.prefix { $0 == " " }.count }
    for (line, next) in zip(lines, lines.dropFirst()).enumerated()
      .filter({ $0.offset < examples || $0.offset > options }).map(\.element)
    {
      // The next line goes on with the same paragraph: of the text, or of an option's meaning.
      guard !line.isEmpty, !next.isEmpty, !line.hasSuffix(":"), !next.hasPrefix("  -") else {
        continue
      }
      // A label that fills its column stands on a line of its own.
      let isLabel = line.hasPrefix("  -") && !line.dropFirst(2).contains("  ")
      if isLabel { continue }
      let continues = indentation(next) >= 20 || (indentation(next) == 0 && indentation(line) == 0)
      guard continues, line.count > 26 || indentation(next) == 0 else { continue }
      let word = next.drop { $0 == " " }.prefix { $0 != " " }
      #expect(line.count + 1 + word.count >= columns, "\(line)|\(next)")
    }
    _ = usage
  }

  @Test(arguments: all)
  func examplesAreTheSameAtAnyWidth(command: String) throws {
    func examples(_ columns: Int) throws -> [String] {
      let lines = try help(command, columns: columns)
      let start = try #require(lines.firstIndex(of: "EXAMPLES"))
      return Array(lines[start...].prefix { !$0.isEmpty })
    }
    let narrow = try examples(60)
    #expect(narrow.count > 1)
    #expect(try examples(80) == narrow)
    #expect(try examples(100) == narrow)
    #expect(narrow.dropFirst().first?.hasPrefix("  \(command) ") == true, "\(narrow)")
  }

  @Test(arguments: commands)
  func exitCodesAndVersionAreTold(command: String) throws {
    #expect(try help(command, columns: 80).contains { $0.hasPrefix("Exit codes: 0 success") })
    let version = try CommandRunner.run(command, ["--version"])
    #expect(version.code == 0)
    #expect(version.output.hasPrefix(command + " "))
    #expect(version.output.contains { $0.isNumber })
    let word = try CommandRunner.run(command, ["help"])
    #expect(word.code == 0)
    #expect(word.output == (try CommandRunner.run(command, ["--help"])).output)
  }

  @Test(arguments: ["train", "encode", "decode", "compare", "sweep"])
  func theBareNameShowsUsageAndExamples(command: String) throws {
    let outcome = try CommandRunner.run(command, [])
    #expect(outcome.code == 64, "\(outcome)")
    #expect(outcome.output.isEmpty)
    #expect(outcome.errors.hasPrefix("error: "))
    #expect(outcome.errors.lowercased().contains("usage: \(command)"))
    let lines = outcome.errors.split(separator: "\n")
    #expect(lines.contains("EXAMPLES"))
    #expect(lines.count { $0.hasPrefix("  \(command) ") } >= 2, "\(outcome)")
  }
}
