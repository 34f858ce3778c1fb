import Configuration
import Foundation

/// Another command of Tessera as a process of its own: what it prints, how it ends.
///
/// A run that fails, or that the system ends for its memory, so takes nothing else with it.
struct ChildCommand {
  /// The exit code; 128 and the signal's number where a signal ended it.
  let code: Int32
  /// All of standard output.
  let output: String
  /// The error that it printed, or else its last line.
  let failure: String

  /// Runs a command of this package to its end.
  ///
  /// A request to stop is passed to the command once, so that it saves and ends.
  /// - Parameters:
  ///   - shouldStop: asked a few times a second; whether the command is to end.
  ///   - visit: called with each line that the command prints.
  init(
    _ name: String, _ arguments: [String], shouldStop: () -> Bool = { false },
    visit: (String) -> Void = { _ in }
  ) throws {
    let process = Process()
    let (executable, first) = try Self.executable(name)
    process.executableURL = executable
    process.arguments = first + arguments
    process.standardInput = FileHandle.nullDevice
    let (output, errors) = (Pipe(), Pipe())
    process.standardOutput = output
    process.standardError = errors
    do { try process.run() } catch {
      throw Failure(.internal, "\(name) cannot be started: \(error.localizedDescription)")
    }
    var readers = [
      LineReader(output.fileHandleForReading.fileDescriptor),
      LineReader(errors.fileHandleForReading.fileDescriptor),
    ]
    var text = ""
    var (lastLine, lastError) = ("", "")
    var wasAsked = false
    while readers.contains(where: \.isOpen) {
      // A command in the terminal's own group of processes has had the terminal's signal itself.
      if !wasAsked, shouldStop() {
        wasAsked = true
        if getpgid(process.processIdentifier) != getpgrp() || !Interruption.isRequested {
          process.interrupt()
        }
      }
      for index in readers.indices {
        for line in readers[index].lines(waitingFor: 100) {
          if index == 0 {
            text += line + "\n"
          } else {
            lastLine = line
            if line.hasPrefix("error: ") { lastError = String(line.dropFirst("error: ".count)) }
            visit(line)
          }
        }
      }
    }
    process.waitUntilExit()
    code = process.terminationStatus + (process.terminationReason == .uncaughtSignal ? 128 : 0)
    self.output = text
    failure = lastError.isEmpty ? lastLine : lastError
  }

  /// A command beside this one, or this program where that has the command too, and the arguments that
  /// come first.
  private static func executable(_ name: String) throws -> (URL, [String]) {
    let own = URL(fileURLWithPath: Bundle.main.executablePath ?? CommandLine.arguments[0])
    if CommandName.family != nil { return (own, [name]) }
    for folder in [own, own.resolvingSymlinksInPath()].map({ $0.deletingLastPathComponent() }) {
      let candidate = folder.appendingPathComponent(name)
      if FileManager.default.isExecutableFile(atPath: candidate.path) { return (candidate, []) }
    }
    throw Failure(
      .noInput,
      "\(own.deletingLastPathComponent().path): expected the command \(name) beside this one, "
        + "found none. Install all commands in one folder, or build them: make build.")
  }
}

/// The lines that come through a pipe.
private struct LineReader {
  /// Whether more may come.
  private(set) var isOpen = true
  private let descriptor: Int32
  private var rest: [UInt8] = []

  init(_ descriptor: Int32) { self.descriptor = descriptor }

  /// The whole lines that have come, after waiting at most so many milliseconds for some.
  mutating func lines(waitingFor milliseconds: Int32) -> [String] {
    guard isOpen else { return [] }
    var request = pollfd(fd: descriptor, events: Int16(POLLIN), revents: 0)
    guard poll(&request, 1, milliseconds) > 0 else { return [] }
    var buffer = [UInt8](repeating: 0, count: 65536)
    let count = read(descriptor, &buffer, buffer.count)
    if count < 0, errno == EINTR || errno == EAGAIN { return [] }
    isOpen = count > 0
    rest += buffer.prefix(max(0, count))
    var lines: [String] = []
    while let end = rest.firstIndex(of: UInt8(ascii: "\n")) {
      lines.append(String(decoding: rest[..<end], as: UTF8.self))
      rest.removeSubrange(...end)
    }
    if !isOpen, !rest.isEmpty {
      lines.append(String(decoding: rest, as: UTF8.self))
      rest = []
    }
    return lines
  }
}
