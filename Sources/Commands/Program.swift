import Files
import ArgumentParser
import CPUBackend
import Configuration
import Foundation
import Synchronization
import Training

/// A command as a program: arguments in, messages and an exit code out.
public enum Program {
  /// Parses the command line, runs the command, and ends the program.
  ///
  /// What the parser has to say goes the way of all messages: through streams that may be full or
  /// closed, and with `error:` before it. A result that could not be written is reported, and ends
  /// a command that did its work otherwise with 74.
  public static func run<Command: ParsableCommand>(_ type: Command.Type) -> Never {
    StandardStream.prepare()
    if !type.configuration.subcommands.isEmpty {
      CommandName.family = type.configuration.commandName
    }
    let arguments = prepared(Array(CommandLine.arguments.dropFirst()), for: type)
    do {
      var command = try type.parseAsRoot(arguments)
      try command.run()
    } catch let code as ExitCode {
      end(code.rawValue)
    } catch {
      let code = type.exitCode(for: error).rawValue
      let message = hint(arguments, type, error) ?? type.fullMessage(for: error)
      let text = VisibleText.lines(UsageWrapping.wrapped(onOneLineEach(message)))
      if code == 0, isForPrograms(arguments) {
        StandardStream.output.write(message + "\n", isNeeded: true)
      } else if code == 0 {
        StandardStream.output.write(text + "\n", isNeeded: true)
      } else {
        let label = type._errorPrefix
        StandardStream.errors.write(
          "error: " + (text.hasPrefix(label) ? String(text.dropFirst(label.count)) : text) + "\n",
          isNeeded: true)
      }
      end(code)
    }
    end(0)
  }

  /// Whether what is asked for is read by a shell or a program: completions, a description as JSON.
  private static func isForPrograms(_ arguments: [String]) -> Bool {
    arguments.contains {
      $0.hasPrefix("--generate-completion-script") || $0 == "--experimental-dump-help"
    }
  }

  /// The command that arguments are for, and those that are its own: a subcommand if the first
  /// argument names one.
  private static func addressed(
    _ arguments: [String], _ type: any ParsableCommand.Type
  ) -> (command: any ParsableCommand.Type, own: [String]) {
    let named = type.configuration.subcommands.first {
      $0.configuration.commandName == arguments.first
    }
    return named.map { ($0, Array(arguments.dropFirst())) } ?? (type, arguments)
  }

  /// The arguments with `~` at their start expanded, where no shell did it, and `help` as `--help`.
  private static func prepared(
    _ arguments: [String], for type: any ParsableCommand.Type
  ) -> [String] {
    let arguments = arguments.map { argument in
      guard argument.hasPrefix("--"), let equals = argument.firstIndex(of: "=") else {
        return argument.hasPrefix("~") ? expandingHome(argument) : argument
      }
      let start = argument.index(after: equals)
      return argument[..<start] + expandingHome(String(argument[start...]))
    }
    let (command, own) = addressed(arguments, type)
    let asksForHelp =
      own.first == "help" && command.configuration.subcommands.isEmpty
      && !FileManager.default.fileExists(atPath: "help")
    return asksForHelp ? arguments.dropLast(own.count) + ["--help"] : arguments
  }

  /// What to say in place of the parser's message: an unknown option comes first, and who typed the
  /// bare name gets examples; nil where the parser's message is best.
  private static func hint(
    _ arguments: [String], _ type: any ParsableCommand.Type, _ error: any Error
  ) -> String? {
    guard type.exitCode(for: error) == .validationFailure else { return nil }
    let (command, own) = addressed(arguments, type)
    guard command.configuration.subcommands.isEmpty else { return unknownCommand(own, command) }
    if let message = UnquotedShards.message(in: own, of: command) { return message }
    if let unknown = UnknownOption(in: own, of: command) {
      let name = CommandName.typed(command.configuration.commandName ?? "")
      return unknown.message + "\nUsage: " + type.usageString(for: command)
        + "\n  See '\(name) --help' for more information."
    }
    guard own.isEmpty, let documented = command as? any DocumentedCommand.Type else {
      return nil
    }
    return type.fullMessage(for: error) + "\n\n" + documented.help.exampleLines(3)
  }

  /// What to say of a word that is no subcommand; nil where an option comes first.
  private static func unknownCommand(
    _ arguments: [String], _ type: any ParsableCommand.Type
  ) -> String? {
    guard let word = arguments.first, !word.hasPrefix("-") else { return nil }
    let (name, commands) = (
      type.configuration.commandName ?? "",
      type.configuration.subcommands.compactMap { $0.configuration.commandName }
    )
    let remedy =
      nearest(to: word, among: commands).map { "Did you mean \(name) \($0)?" }
      ?? "Its commands: \(commands.joined(separator: ", "))."
    return "\(VisibleText.line(word)) is not a command of \(name). \(remedy)\n"
      + "  See '\(name) --help' for more information."
  }

  /// A message with the line feeds of arguments in it escaped, and those of its own kept.
  private static func onOneLineEach(_ message: String) -> String {
    var message = message
    for argument in CommandLine.arguments.dropFirst() where argument.contains(where: \.isNewline) {
      // Of --name=value the parser quotes either part.
      let parts = argument.split(separator: "=", maxSplits: 1).map(String.init)
      for part in [argument] + parts where part.contains(where: \.isNewline) {
        message = message.replacingOccurrences(of: part, with: VisibleText.line(part))
      }
    }
    return message
  }

  /// Ends the program, with 74 where that is the only thing that went wrong.
  private static func end(_ code: Int32) -> Never {
    guard code == 0 else { leave(code) }
    if let failure = StandardStream.output.failure {
      // Who closes a pipe has read enough, and knows.
      if failure != EPIPE {
        StandardStream.errors.write(
          "error: standard output: the result cannot be written: "
            + (failure == EBADF ? "it is closed" : String(cString: strerror(failure)))
            + ". Everything else is done and saved. Make room, or send the output elsewhere.\n",
          isNeeded: true)
      }
      leave(Failure.Code.inputOutput.rawValue)
    }
    leave(StandardStream.errors.failure == nil ? 0 : Failure.Code.inputOutput.rawValue)
  }

  /// Ends the program without what libraries do at the end: OpenBLAS waits for threads there that
  /// were never made, where address space is short.
  private static func leave(_ code: Int32) -> Never {
    fflush(nil)
    _exit(code)
  }
}

/// All commands as subcommands of one program, whose name no other program has.
public struct TesseraCommand: ParsableCommand {
  /// Name, summary and subcommands.
  public static let configuration = CommandConfiguration(
    commandName: "tessera",
    abstract: "Trains image tokenizers, and turns images into tokens and back.",
    discussion:
      "Each command has a help of its own with examples, as in tessera train --help.",
    version: "tessera \(Release.version) (\(CPUBackend.level))",
    subcommands: [
      TrainCommand.self, EncodeCommand.self, DecodeCommand.self, CompareCommand.self,
      ScenesCommand.self, SweepCommand.self, SampleCommand.self, ScoreCommand.self,
      QualityCommand.self, CompressCommand.self, ImportCommand.self, ExportCommand.self,
    ])

  /// A command as the parser fills it in.
  public init() {}
}

/// `tessera` as a function in C, for the program of a distribution: `.ci/dist` puts that together with
/// libraries for several kinds of processor.
@_cdecl("tessera_main")
public func tesseraMain() { Program.run(TesseraCommand.self) }

// MARK: - Signals

/// Ctrl-C, SIGTERM, a terminal that hangs up, and SIGUSR1, which mpirun passes on to ranks: the first asks to
/// stop after the step at hand, the second stops at once.
///
/// Long work asks `isRequested` between its steps, and ends with `exitCode` once all is saved.
enum Interruption {
  /// The signal that asked first; 0 until one comes.
  private static let first = Atomic<Int32>(0)
  /// When it came, in milliseconds.
  private static let instant = Atomic<Int>(0)

  /// Starts to listen.
  ///
  /// What was ignored from the start stays so: SIGHUP under `nohup`, SIGINT in the background. The
  /// others are unblocked: who starts the command may have them blocked, and pass that on.
  static func listen() {
    var signals = sigset_t()
    sigemptyset(&signals)
    for number in [SIGINT, SIGTERM, SIGHUP, SIGUSR1] {
      let former = signal(number) { Interruption.received($0) }
      if isIgnored(former) {
        signal(number, SIG_IGN)
      } else {
        sigaddset(&signals, number)
      }
    }
    pthread_sigmask(SIG_UNBLOCK, &signals, nil)
  }

  /// Whether a stop was requested.
  static var isRequested: Bool { first.load(ordering: .relaxed) != 0 }

  /// The exit code after a stop request: 130, 143 or 129, as shells report signals.
  static var exitCode: Int32 { 128 + max(first.load(ordering: .relaxed), 1) }

  /// Takes note of a signal, or ends the program if one came before; runs in the handler.
  private static func received(_ number: Int32) {
    var time = timespec()
    clock_gettime(CLOCK_MONOTONIC, &time)
    let now = Int(time.tv_sec) * 1000 + Int(time.tv_nsec) / 1_000_000
    if first.compareExchange(expected: 0, desired: number, ordering: .relaxed).exchanged {
      instant.store(now, ordering: .relaxed)
      return
    }
    // Both the shell and the kernel report one hang-up, and service managers send SIGHUP with
    // SIGTERM: that is no second request.
    if number == SIGHUP, now - instant.load(ordering: .relaxed) < 1000 { return }
    _exit(128 + number)
  }

  private static func isIgnored(_ handler: (@convention(c) (Int32) -> Void)?) -> Bool {
    unsafeBitCast(handler, to: Int.self) == unsafeBitCast(SIG_IGN, to: Int.self)
  }
}
