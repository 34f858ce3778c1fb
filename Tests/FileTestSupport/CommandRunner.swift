import Foundation
import Synchronization

/// Runs the built executables as a user would: arguments in, exit code and both streams out.
public enum CommandRunner {
  /// What a command left behind.
  public struct Outcome: CustomStringConvertible, Sendable {
    /// The exit code; 128 and the signal's number where a signal ended it.
    public let code: Int32
    /// Whether a signal ended it.
    public let isKilled: Bool
    /// All of standard output.
    public let output: String
    /// All of standard error.
    public let errors: String

    /// What a failed expectation shows.
    public var description: String {
      "exit code \(code)\(isKilled ? ", killed" : "")\nstdout: \(output)\nstderr: \(errors)"
    }
  }

  /// The folder that holds the executables: the one in which the tests were built.
  public static let buildFolder: URL = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").flatMap { index in
      index + 1 < arguments.count ? arguments[index + 1] : nil
    }
    let starts = [bundle, arguments.first, Bundle.main.executablePath].compactMap { $0 }
    for start in starts {
      var folder = URL(fileURLWithPath: start).deletingLastPathComponent()
      // A test bundle of macOS is a few folders deep.
      for _ in 0..<4 {
        let candidate = folder.appendingPathComponent("encode").path
        if FileManager.default.isExecutableFile(atPath: candidate) { return folder }
        folder.deleteLastPathComponent()
      }
    }
    fatalError("the executables are not beside the tests; build the whole package first")
  }()

  /// The root of the repository.
  public static let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent()
    .deletingLastPathComponent().deletingLastPathComponent()

  /// Where an executable is.
  public static func path(of command: String) -> String {
    buildFolder.appendingPathComponent(command).path
  }

  /// Runs `train`, `encode`, `decode`, `compare` or another executable to its end.
  ///
  /// - Parameters:
  ///   - arguments: as on the command line, without a shell in between.
  ///   - folder: the working directory; by default that of the tests.
  ///   - fileLimit: the largest file the command may write, in blocks of 512 bytes: a full disk.
  public static func run(
    _ command: String, _ arguments: [String], in folder: String? = nil, fileLimit: Int? = nil
  ) throws -> Outcome {
    guard let fileLimit else {
      return try run(program: path(of: command), arguments, in: folder)
    }
    return try run(
      program: "/bin/sh",
      ["-c", "ulimit -f \(fileLimit) && exec \"$0\" \"$@\"", path(of: command)] + arguments,
      in: folder)
  }

  /// Runs an executable as a user for whom permissions hold, even where the tests are root's.
  public static func runAsOrdinaryUser(
    _ command: String, _ arguments: [String], in folder: String? = nil
  ) throws -> Outcome {
    let words = OrdinaryUser.prefix + [path(of: command)] + arguments
    return try run(program: words[0], Array(words.dropFirst()), in: folder)
  }

  /// Runs a line of bash in which `"$0" "$@"` stands for a command and its arguments.
  public static func run(
    line: String, _ command: String, _ arguments: [String], in folder: String? = nil
  ) throws -> Outcome {
    try run(program: "/bin/bash", ["-c", line, path(of: command)] + arguments, in: folder)
  }

  /// Runs any program to its end.
  ///
  /// - Parameters:
  ///   - environment: variables besides those of the tests.
  ///   - signals: what it is sent, one after another, once it has said `words` on standard error.
  public static func run(
    program: String, _ arguments: [String], in folder: String? = nil,
    environment: [String: String] = [:], sending signals: [Int32] = [], after words: String = ""
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    process.environment = ProcessInfo.processInfo.environment.merging(environment) { $1 }
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // Both pipes are read concurrently: a full one would block the command.
    let collected = Mutex(Data())
    let group = DispatchGroup()
    let handle = output.fileHandleForReading
    DispatchQueue.global().async(group: group) {
      let data = handle.readDataToEndOfFile()
      collected.withLock { $0 = data }
    }
    var said = Data()
    if !signals.isEmpty {
      while !String(decoding: said, as: UTF8.self).contains(words), process.isRunning {
        said += errors.fileHandleForReading.availableData
      }
      for signal in signals { kill(process.processIdentifier, signal) }
    }
    said += errors.fileHandleForReading.readDataToEndOfFile()
    group.wait()
    process.waitUntilExit()
    let isKilled = process.terminationReason == .uncaughtSignal
    return Outcome(
      code: process.terminationStatus + (isKilled ? 128 : 0), isKilled: isKilled,
      output: String(decoding: collected.withLock { $0 }, as: UTF8.self),
      errors: String(decoding: said, as: UTF8.self))
  }
}
