import ArgumentParser
import Execution
import Foundation

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
    } catch {
      let failure = Failure(error)
      terminal.fail(failure)
      throw ExitCode(failure.code.rawValue)
    }
  }
}
