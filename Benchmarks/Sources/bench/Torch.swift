import Foundation

/// PyTorch, where there is a Python that has it.
struct Torch {
  private let python: String

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
    try run(
      "torch_peer.py",
      [
        "--config", config, "--task", task.rawValue, "--precision", precision.rawValue,
        "--threads", String(threads), "--steps", String(steps),
      ])
  }

  /// Runs a script of this package in a process of its own, whose last line is JSON.
  func run<Result: Decodable>(_ script: String, _ arguments: [String]) throws -> Result {
    let process = try ChildProcess(python, ["Benchmarks/" + script] + arguments)
    // Engines print what they like before it.
    let line = process.output.split(whereSeparator: \.isNewline).last ?? ""
    return try JSONDecoder().decode(Result.self, from: Data(line.utf8))
  }

  /// Whether the processor computes in bfloat16; without, PyTorch would convert at each step.
  static var hasBfloat16: Bool {
    let info = ProcessInfo.processInfo.environment
    // PyTorch may be told to compute as on an older processor.
    guard info["ONEDNN_MAX_CPU_ISA"] == nil,
      let text = try? String(contentsOfFile: "/proc/cpuinfo", encoding: .utf8),
      let flags = text.split(separator: "\n").first(where: { $0.hasPrefix("flags") })
    else { return false }
    return flags.split(separator: " ").contains { $0 == "avx512_bf16" || $0 == "amx_bf16" }
  }
}

/// What is measured of a network.
enum Task: String, Codable, CaseIterable {
  /// Forward, backward and the optimizer.
  case training
  /// Pixels in memory to token ids.
  case encoding
}
