import Foundation

/// A Python to ask whether it reads what we wrote.
public struct PythonPeer: Sendable {
  /// One that reads safetensors into arrays.
  public static let numpy = PythonPeer(
    importing: "safetensors.numpy, numpy", named: "safetensors and numpy")
  /// One that has what `python/tessera.py` needs.
  public static let torch = PythonPeer(importing: "numpy, torch", named: "torch and numpy")
  /// One that has the library whose tensor names checkpoints follow.
  public static let diffusers = PythonPeer(
    importing: "safetensors, torch, diffusers.models", named: "torch, diffusers and safetensors")
  /// One that runs ONNX files.
  public static let onnx = PythonPeer(
    importing: "safetensors.numpy, numpy, onnx, onnxruntime",
    named: "onnx, onnxruntime, safetensors and numpy")
  /// One that has the library whose Llama priors are exported to.
  public static let transformers = PythonPeer(
    importing: "safetensors, torch, transformers", named: "torch, transformers and safetensors")
  /// One that has the imaging library whose resize other tokenizers' pipelines use.
  public static let pillow = PythonPeer(importing: "PIL.Image, numpy", named: "Pillow and numpy")
  /// One that has the data sets of Hugging Face.
  public static let datasets = PythonPeer(
    importing: "datasets, torch, numpy", named: "datasets, torch and numpy")
  /// One that has the reader of indexed ids that Megatron-LM trains on.
  public static let megatron = PythonPeer(
    importing: "megatron.core.datasets.indexed_dataset", named: "megatron-core")
  /// One that reads and writes shards of samples.
  public static let webdataset = PythonPeer(
    importing: "webdataset, numpy, PIL.Image", named: "webdataset, Pillow and numpy")
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
      (try? Self.run($0, ["-c", "import " + modules]))?.code == 0
    }
    absence = "no Python with \(names) (name one in TESSERA_PYTHON)"
  }

  /// Runs a script with arguments; its output, and an error where it failed.
  public func run(script: String, _ arguments: [String]) throws -> String {
    let outcome = try Self.run(command ?? [], ["-c", script] + arguments)
    guard outcome.code == 0 else { throw Failure(output: outcome.output + outcome.errors) }
    return outcome.output
  }

  private static func run(
    _ command: [String], _ arguments: [String]
  ) throws -> CommandRunner.Outcome {
    try CommandRunner.run(
      program: command[0], command.dropFirst() + arguments, environment: ["OMP_NUM_THREADS": "1"])
  }
}
