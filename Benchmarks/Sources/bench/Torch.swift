import Foundation

/// PyTorch, where there is a Python that has it.
struct Torch {
  private let python: String

  private static let script = "Benchmarks/torch_peer.py"

  /// The Python that `TESSERA_PYTHON` names, else `python3`; nil if it has no PyTorch.
  static func find() -> Torch? {
    let python = ProcessInfo.processInfo.environment["TESSERA_PYTHON"] ?? "python3"
    let found = (try? ChildProcess(python, ["-c", "import torch"])) != nil
    return found ? Torch(python: python) : nil
  }

  /// A number format that PyTorch computes in.
  enum Precision: String, Codable {
    /// Single precision throughout.
    case float32
    /// Convolutions and products in bfloat16, by PyTorch's autocast.
    case bfloat16
  }

  /// Measures the network of a configuration in a process of its own.
  func measure(
    _ task: Task, config: String, _ precision: Precision, threads: Int, steps: Int
  ) throws -> Measurement {
    let process = try ChildProcess(
      python,
      [
        Self.script, "--config", config, "--task", task.rawValue, "--precision",
        precision.rawValue, "--threads", String(threads), "--steps", String(steps),
      ])
    return try JSONDecoder().decode(Measurement.self, from: Data(process.output.utf8))
  }
}

/// What is measured of a network.
enum Task: String, Codable, CaseIterable {
  /// Forward, backward and the optimizer.
  case training
  /// Pixels in memory to token ids.
  case encoding
}
