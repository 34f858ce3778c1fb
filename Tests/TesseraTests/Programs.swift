import Foundation

/// Runs the programs that were built beside the tests.
enum Programs {
  /// What a program left behind.
  struct Outcome: CustomStringConvertible {
    /// The exit code; 128 and the signal's number where a signal ended it.
    let code: Int32
    /// Standard output and standard error, as they came.
    let text: String

    /// What a failed expectation shows.
    var description: String { "exit code \(code)\n\(text)" }
  }

  /// Runs a program to its end.
  static func run(_ name: String, _ arguments: [String]) throws -> Outcome {
    let process = Process()
    process.executableURL = folder.appendingPathComponent(name)
    process.arguments = arguments
    let pipe = Pipe()
    process.standardInput = FileHandle.nullDevice
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let text = String(decoding: pipe.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    let signal = process.terminationReason == .uncaughtSignal
    return Outcome(code: process.terminationStatus + (signal ? 128 : 0), text: text)
  }

  /// The folder that holds the programs: the one in which the tests were built.
  private static let folder: URL = {
    let arguments = CommandLine.arguments
    let bundle = arguments.firstIndex(of: "--test-bundle-path").flatMap { index in
      index + 1 < arguments.count ? arguments[index + 1] : nil
    }
    for start in [bundle, arguments.first, Bundle.main.executablePath].compactMap({ $0 }) {
      var folder = URL(fileURLWithPath: start).deletingLastPathComponent()
      // A test bundle of macOS is a few folders deep.
      for _ in 0..<4 {
        let candidate = folder.appendingPathComponent("OwnModel").path
        if FileManager.default.isExecutableFile(atPath: candidate) { return folder }
        folder.deleteLastPathComponent()
      }
    }
    fatalError("the programs are not beside the tests; build the whole package first")
  }()
}
