import Foundation

/// A Python with PyTorch and diffusers, to ask whether it makes of a checkpoint what we do.
enum PythonPeer {
  /// The arguments that start it, or nil where there is none.
  static let command: [String]? = {
    let named = ProcessInfo.processInfo.environment["TESSERA_PYTHON"].map { [[$0]] } ?? []
    return (named + [["/usr/bin/env", "python3"]]).first {
      (try? run($0, ["-c", "import safetensors, torch, diffusers.models"]))?.status == 0
    }
  }()

  static let absence =
    "no Python with torch, diffusers and safetensors (name one in TESSERA_PYTHON)"

  struct Failure: Error, CustomStringConvertible {
    let output: String
    var description: String { "Python says: \(output)" }
  }

  /// Runs a script with arguments; its output, and an error where it failed.
  static func run(script: String, _ arguments: [String]) throws -> String {
    let result = try run(command ?? [], ["-c", script] + arguments)
    guard result.status == 0 else { throw Failure(output: result.output) }
    return result.output
  }

  private static func run(
    _ command: [String], _ arguments: [String]
  ) throws -> (status: Int32, output: String) {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: command[0])
    process.arguments = command.dropFirst() + arguments
    process.environment = ProcessInfo.processInfo.environment.merging(
      ["OMP_NUM_THREADS": "1"]) { $1 }
    let pipe = Pipe()
    process.standardOutput = pipe
    process.standardError = pipe
    try process.run()
    let output = pipe.fileHandleForReading.readDataToEndOfFile()
    process.waitUntilExit()
    return (process.terminationStatus, String(decoding: output, as: UTF8.self))
  }
}
