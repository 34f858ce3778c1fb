import ArgumentParser
import Execution
import Foundation

/// What every command takes.
public struct CommandOptions: ParsableArguments {
  /// Images that are computed at once.
  @Option(
    name: .long,
    help: ArgumentHelp(
      "Threads that compute; all cores by default. The result does not depend on it.",
      valueName: "n"))
  public var threads: Int?

  /// Whether progress is left out.
  @Flag(name: .long, help: "Print only results, warnings and errors.")
  public var quiet = false

  /// Options as the parser fills them in.
  public init() {}

  /// Checks the values.
  public func validate() throws {
    if let threads, threads < 1 {
      throw ValidationError("--threads: expected at least 1, found \(threads)")
    }
  }

  /// The threads to use.
  var threadCount: Int { threads ?? AvailableCores.count }
}

extension ParsableCommand {
  /// Runs a command's work, tells its failure and ends with its exit code.
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
