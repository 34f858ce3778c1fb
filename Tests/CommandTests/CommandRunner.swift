import Foundation
import Synchronization

/// Runs the built executables as a user would: arguments in, exit code and both streams out.
enum CommandRunner {
  /// What a command left behind.
  struct Outcome: CustomStringConvertible {
    /// The exit code; 128 and the signal's number where a signal ended it.
    let code: Int32
    /// All of standard output.
    let output: String
    /// All of standard error.
    let errors: String

    /// What a failed expectation shows.
    var description: String { "exit code \(code)\nstdout: \(output)\nstderr: \(errors)" }
  }

  /// The folder that holds the executables: the one in which the tests were built.
  static let buildFolder: URL = {
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

  /// Runs `train`, `encode`, `decode`, `compare` or `scenes` to its end.
  ///
  /// - Parameters:
  ///   - arguments: as on the command line, without a shell in between.
  ///   - folder: the working directory; by default that of the tests.
  ///   - fileLimit: the largest file the command may write, in blocks of 512 bytes: a full disk.
  static func run(
    _ command: String, _ arguments: [String], in folder: String? = nil, fileLimit: Int? = nil
  ) throws -> Outcome {
    let executable = buildFolder.appendingPathComponent(command).path
    guard let fileLimit else { return try run(program: executable, arguments, in: folder) }
    return try run(
      program: "/bin/sh",
      ["-c", "ulimit -f \(fileLimit) && exec \"$0\" \"$@\"", executable] + arguments, in: folder)
  }

  /// Runs any program to its end.
  static func run(
    program: String, _ arguments: [String], in folder: String? = nil
  ) throws -> Outcome {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    if let folder { process.currentDirectoryURL = URL(fileURLWithPath: folder) }
    let (output, errors) = (Pipe(), Pipe())
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = output
    process.standardError = errors
    try process.run()
    // Both pipes are emptied at once: a full one would stop the command for ever.
    let collected = Mutex(Data())
    let group = DispatchGroup()
    let handle = errors.fileHandleForReading
    DispatchQueue.global().async(group: group) {
      let data = handle.readDataToEndOfFile()
      collected.withLock { $0 = data }
    }
    let result = output.fileHandleForReading.readDataToEndOfFile()
    group.wait()
    process.waitUntilExit()
    let signal = process.terminationReason == .uncaughtSignal
    return Outcome(
      code: process.terminationStatus + (signal ? 128 : 0),
      output: String(decoding: result, as: UTF8.self),
      errors: String(decoding: collected.withLock { $0 }, as: UTF8.self))
  }
}
