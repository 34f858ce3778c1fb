import ArgumentParser
import CPUBackend
import Configuration
import Execution
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
    + "74 output that cannot be created or written, 130, 143, 129 or 138 after Ctrl-C, SIGTERM, SIGHUP or SIGUSR1."
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
      version: "\(CommandName.typed(name)) \(Release.version) (Tessera, \(CPUBackend.level))")
  }
}

// MARK: - Options

/// Options of every command.
public struct CommandOptions: ParsableArguments {
  /// Images that are computed at once.
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Number of threads; all cores by default. The result does not depend on it.",
      valueName: "n"))
  public var threads: Int?

  /// Whether progress is off.
  @Flag(name: .long, help: "Print only results, warnings and errors.")
  public var quiet = false

  /// Options as the parser fills them in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    if let threads, !(1...Self.mostThreads).contains(threads) {
      throw ValidationError("--threads: expected 1 to \(Self.mostThreads), found \(threads)")
    }
  }

  /// As many as a training run may have lanes.
  private static let mostThreads = 1024

  /// The threads to use.
  var threadCount: Int {
    threads ?? min(Self.mostThreads, AvailableCores.count)
  }
}

/// Refuses an empty name, as that of a variable that is not set: it would stand for the root of the
/// file system, or for the working directory.
func requireName(_ flag: String, _ names: String?...) throws {
  try requireNames(flag, names.compactMap { $0 })
}

/// Refuses empty names likewise.
func requireNames(_ flag: String, _ names: [String]) throws {
  guard names.contains(where: \.isEmpty) else { return }
  throw ValidationError(
    "\(flag): expected a name, found an empty one. Is a shell variable unset?")
}

extension ParsableCommand {
  /// Runs a command's work, prints its failure and ends with its exit code.
  func conclude(_ options: CommandOptions, _ work: (Terminal) throws -> Void) throws {
    let terminal = Terminal(isQuiet: options.quiet)
    do {
      try work(terminal)
    } catch let error as ExitCode {
      throw error
    } catch is EncodingInterrupted {
      throw ExitCode(Interruption.exitCode)
    } catch {
      let failure = Failure(error)
      terminal.fail(failure)
      throw ExitCode(failure.code.rawValue)
    }
  }
}

/// Which weights of a checkpoint a command takes.
struct WeightsOption: ParsableArguments {
  /// Those to encode with, or the best evaluated ones.
  enum Choice: String, ExpressibleByArgument, CaseIterable {
    case model, best
  }

  @Option(
    help: ArgumentHelp(
      "Weights to use: those saved last (model), or the best evaluated ones (best), if the run "
        + "set monitor.keepBest.",
      valueName: "model|best"))
  var weights: Choice = .model

  /// The file of a checkpoint that holds them.
  var file: String { weights == .best ? Checkpoint.bestFile : Checkpoint.modelFile }
}

// MARK: - Usage

/// Breaks the line of a usage text that names all options, which the parser leaves as long as it is.
enum UsageWrapping {
  /// A text with its usage lines broken before options to fit the columns.
  static func wrapped(_ text: String, columns: Int = columns) -> String {
    text.split(separator: "\n", omittingEmptySubsequences: false).map { line in
      let label = line.prefix { $0 != ":" }.lowercased()
      return label == "usage" ? broken(String(line), columns) : String(line)
    }.joined(separator: "\n")
  }

  /// The columns of the terminal, or those that the environment names.
  private static var columns: Int {
    if let named = ProcessInfo.processInfo.environment["COLUMNS"].flatMap(Int.init) {
      return max(20, named)
    }
    var size = winsize()
    let isTerminal = ioctl(STDOUT_FILENO, UInt(TIOCGWINSZ), &size) == 0 && size.ws_col > 0
    return isTerminal ? max(20, Int(size.ws_col)) : 80
  }

  private static func broken(_ line: String, _ columns: Int) -> String {
    var lines: [String] = []
    var current = ""
    for part in parts(of: line) {
      if current.isEmpty {
        current = part
      } else if current.count + 1 + part.count <= columns {
        current += " " + part
      } else {
        lines.append(current)
        current = "  " + part
      }
    }
    return (lines + [current]).joined(separator: "\n")
  }

  /// What stays together: brackets with what is in them, an option with its value.
  private static func parts(of line: String) -> [String] {
    var parts: [String] = []
    var depth = 0
    for word in line.split(separator: " ") {
      let isValue = word.hasPrefix("<") && parts.last?.hasPrefix("--") == true
      if depth > 0 || isValue || word == "..." {
        parts[parts.count - 1] += " " + word
      } else {
        parts.append(String(word))
      }
      depth += word.count { $0 == "[" } - word.count { $0 == "]" }
    }
    return parts
  }
}
