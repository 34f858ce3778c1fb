import Foundation

/// A Python to ask whether it reads what we wrote.
public struct PythonPeer: Sendable {
  /// One that reads safetensors into arrays.
  public static let numpy = PythonPeer(
    importing: "safetensors.numpy, numpy", named: "safetensors and numpy")
  /// One that has the library whose tensor names checkpoints follow.
  public static let diffusers = PythonPeer(
    importing: "safetensors, torch, diffusers.models", named: "torch, diffusers and safetensors")
  /// One that has TensorBoard, for event files.
  public static let tensorboard = PythonPeer(
    importing: "tensorboard.backend.event_processing.plugin_event_accumulator",
    named: "tensorboard")

  /// Whether there is one.
  public var isHere: Bool { command != nil }
  /// What a test that skips says.
  public let absence: String

  private let command: [String]?

  /// What a script printed before it failed.
  public struct Failure: Error, CustomStringConvertible {
    let output: String
    /// Python's own words.
    public var description: String { "Python says: \(output)" }
  }

  /// Looks at `TESSERA_PYTHON`, then for `python3`.
  private init(importing modules: String, named names: String) {
    let named = ProcessInfo.processInfo.environment["TESSERA_PYTHON"].map { [[$0]] } ?? []
    command = (named + [["/usr/bin/env", "python3"]]).first {
      (try? Self.run($0, ["-c", "import " + modules]))?.status == 0
    }
    absence = "no Python with \(names) (name one in TESSERA_PYTHON)"
  }

  /// Runs a script with arguments; its output, and an error where it failed.
  public func run(script: String, _ arguments: [String]) throws -> String {
    let result = try Self.run(command ?? [], ["-c", script] + arguments)
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
