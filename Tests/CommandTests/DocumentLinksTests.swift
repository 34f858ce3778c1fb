import FileTestSupport
import Foundation
import Testing

/// What README.md and the pages of docs/ name exists: links, headings, files, options of commands.
@Suite("Documentation") struct DocumentLinksTests {
  /// A page, by its path in the repository.
  struct Page: CustomStringConvertible, Sendable {
    let path: String
    let text: String

    var description: String { path }

    /// The lines, and whether each belongs to a code block; the fences are empty lines of it.
    var lines: [(text: String, isCode: Bool)] {
      var isCode = false
      return text.components(separatedBy: "\n").map { line in
        if line.hasPrefix("```") {
          isCode.toggle()
          return ("", true)
        }
        return (line, isCode)
      }
    }
  }

  static let root = CommandRunner.repository

  static let pages: [Page] = {
    let folder = root.appendingPathComponent("docs").path
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    let paths =
      [
        "README.md", "Benchmarks/README.md", "Benchmarks/studies/README.md",
        "checkpoints/README.md", "data/README.md",
      ] + names.filter { $0.hasSuffix(".md") }.sorted().map { "docs/" + $0 }
    return paths.compactMap { path in
      let file = root.appendingPathComponent(path)
      return (try? String(contentsOf: file, encoding: .utf8)).map { Page(path: path, text: $0) }
    }
  }()

  private func exists(_ path: String) -> Bool {
    FileManager.default.fileExists(atPath: Self.root.appendingPathComponent(path).path)
  }

  @Test func pagesAreThere() {
    #expect(Self.pages.count > 10)
  }

  @Test func readmeIsShort() throws {
    let readme = try #require(Self.pages.first { $0.path == "README.md" })
    #expect(readme.lines.count <= 151, "at most 150 lines; move the rest to docs/")
  }

  /// Relative links lead to files, and their fragments to headings.
  @Test(arguments: pages)
  func linksLeadSomewhere(_ page: Page) throws {
    let folder = Self.root.appendingPathComponent(page.path).deletingLastPathComponent()
    let prose = page.lines.filter { !$0.isCode }.map(\.text).joined(separator: "\n")
    for match in prose.matches(of: /\]\(([^)\s]+)\)/) {
      let target = String(match.1)
      if target.contains("://") { continue }
      let parts = target.split(separator: "#", omittingEmptySubsequences: false).map(String.init)
      let file =
        parts[0].isEmpty
        ? Self.root.appendingPathComponent(page.path) : folder.appendingPathComponent(parts[0])
      #expect(FileManager.default.fileExists(atPath: file.path), "\(page): \(target)")
      if parts.count > 1 {
        let text = try String(contentsOf: file, encoding: .utf8)
        #expect(Self.anchors(text).contains(parts[1]), "\(page): no heading for \(target)")
      }
    }
  }

  /// The fragments of a page's headings, as GitHub forms them.
  private static func anchors(_ text: String) -> Set<String> {
    let page = Page(path: "", text: text)
    return Set(
      page.lines.filter { !$0.isCode && $0.text.hasPrefix("#") }.map { line in
        let title = line.text.drop { $0 == "#" }.drop { $0 == " " }.lowercased()
        return String(
          title.replacing(" ", with: "-").filter {
            $0.isLetter || $0.isNumber || $0 == "-" || $0 == "_"
          })
      })
  }

  /// Paths of the sources, tests, configurations and benchmarks in code style are those of files.
  @Test(arguments: pages)
  func namedFilesAreThere(_ page: Page) {
    let prose = page.lines.filter { !$0.isCode }.map(\.text).joined(separator: "\n")
    for match in prose.matches(of: /`((?:Sources|Tests|Benchmarks|configs|docs|\.ci)\/[^`\s*]+)`/) {
      let path = String(match.1)
      // Made by a build; upper-case names stand for any.
      if path.contains(".build") || path.contains("NAME") { continue }
      #expect(exists(path), "\(page): \(path)")
    }
  }

  /// Every option of a command in a code block, or in code style, is in that command's help.
  @Test func optionsAreThoseOfTheCommands() throws {
    var known: [String: Set<String>] = [:]
    for command in HelpWrappingTests.commands {
      let help = try CommandRunner.run(command, ["--help"])
      known[command] = Set(help.output.matches(of: /--[a-z][a-z-]*/).map { String($0.0) })
    }
    // Those that have no executable of their own.
    for command in ["sample", "score", "quality", "compress", "import", "export"] {
      let help = try CommandRunner.run("tessera", [command, "--help"])
      known[command] = Set(help.output.matches(of: /--[a-z][a-z-]*/).map { String($0.0) })
    }
    var checked = 0
    for page in Self.pages {
      for call in Self.calls(page) {
        guard let options = known[call.command] else {
          Issue.record("\(page): there is no command \(call.command)")
          continue
        }
        for option in call.options {
          checked += 1
          #expect(
            options.contains(option), "\(page): \(call.command) has no \(option)")
        }
      }
    }
    #expect(checked > 40, "the pages' commands are found")
  }

  /// The commands that a page shows, with their options; lines that end in `\` go on.
  private static func calls(_ page: Page) -> [(command: String, options: [String])] {
    let blocks = page.lines.filter(\.isCode).map(\.text).joined(separator: "\n")
      .replacing("\\\n", with: " ").components(separatedBy: "\n")
    let prose = page.lines.filter { !$0.isCode }.map(\.text).joined(separator: "\n")
    let inline = prose.matches(of: /`([^`]+)`/).map { String($0.1.replacing("\n", with: " ")) }
    return (blocks + inline).compactMap { line in
      var text = line.drop { $0 == " " }
      if text.hasPrefix("$ ") { text = text.dropFirst(2) }
      var words = text.split(separator: "#")[safe: 0]?.split(separator: " ") ?? []
      // One program has all commands: what follows its name is one of them.
      let isSubcommand =
        words.first == "tessera" && words[safe: 1]?.wholeMatch(of: /[a-z]+/) != nil
      if isSubcommand { words.removeFirst() }
      guard let first = words.first,
        isSubcommand || HelpWrappingTests.commands.contains(String(first))
      else { return nil }
      let options = words.dropFirst().compactMap { word in
        word.firstMatch(of: /^--[a-z][a-z-]*/).map { String($0.0) }
      }
      return (String(first), options)
    }
  }
}

extension Array {
  /// An element, or nil where there is none.
  fileprivate subscript(safe index: Int) -> Element? {
    indices.contains(index) ? self[index] : nil
  }
}
