import Foundation

/// A Python with safetensors and numpy, to ask whether it reads what we wrote.
enum PythonPeer {
  /// The arguments that start it, or nil where there is none.
  static let command: [String]? = {
    let named = ProcessInfo.processInfo.environment["TESSERA_PYTHON"].map { [[$0]] } ?? []
    return (named + [["/usr/bin/env", "python3"]]).first {
      (try? run($0, ["-c", "import safetensors.numpy, numpy"]))?.status == 0
    }
  }()

  static let absence =
    "no Python with safetensors and numpy (name one in TESSERA_PYTHON)"

  /// Runs a script with arguments; its output, and an error where it failed.
  static func run(script: String, _ arguments: [String]) throws -> String {
    let result = try run(command ?? [], ["-c", script] + arguments)
    guard result.status == 0 else { throw Failure(output: result.output) }
    return result.output
  }

  struct Failure: Error, CustomStringConvertible {
    let output: String
    var description: String { "Python says: \(output)" }
  }

  private static func run(
    _ command: [String], _ arguments: [String]
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = command.dropFirst() + arguments
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
