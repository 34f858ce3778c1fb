import ArgumentParser
import Files
import Foundation
import Reports
import TokenFiles
import Training

/// The same training of a prior by Tessera and by PyTorch: they should learn equally well.
struct PriorQuality: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prior-quality",
    abstract: "Trains one prior by Tessera and by PyTorch, and compares held-out bits.",
    discussion: """
      Both train on the same tokens, with the same network, batch size, optimizer, learning rate and \
      kinds of first values; random numbers differ. Without --tokens they are drawn: 8x8 tokens of \
      64 codes, nine of ten of which follow from the one to the left or the one above.
      """)

  @Option(help: "The configuration.")
  var config = PriorPreset.tiny.path

  @Option(
    help: "Tokens to train on, as encode writes them to a .npy file; one id a token, no labels.")
  var tokens: String?

  @Option(help: "Tokens to evaluate on, likewise.")
  var validation: String?

  @Option(help: "Updates to make.")
  var steps = 600

  @OptionGroup var options: BenchOptions

  func validate() throws {
    guard (tokens == nil) == (validation == nil) else {
      throw ValidationError("--tokens and --validation: expected both, found one")
    }
    if steps < 1 { throw ValidationError("--steps: expected at least 1") }
  }

  func run() throws {
    guard let torch = Torch.find() else {
      throw BenchmarkError("neither TESSERA_PYTHON nor python3 is a Python that has PyTorch")
    }
    let drawn = DrawnTokens(images: 8192, side: 8, codes: 64, structure: 0.9)
    var held = drawn
    (held.images, held.seed) = (512, 1)
    let tokens = try tokens ?? drawn.path("structured", .npy)
    let validation = try validation ?? held.path("structured", .npy)

    var results = Results(machine: Machine(options), config: config, steps: steps)
    var table = MarkdownTable(
      ["seed", "Tessera", "PyTorch float32", "difference", "seconds, Tessera", "seconds, PyTorch"],
      textColumns: 0)
    for seed in 0..<(options.rounds ?? 1) {
      let own = try train(tokens, validation, seed: seed)
      let other: Run = try torch.run(
        "torch_prior.py",
        [
          "--config", config, "--tokens", tokens, "--validation", validation,
          "--steps", String(steps), "--seed", String(seed), "--threads", String(options.threads),
        ])
      results.machine.peer = other.version
      results.pairs.append(Pair(seed: seed, tessera: own, torchFloat32: other))
      table.add([
        String(seed), Cell.decimals(own.bitsPerToken, 4), Cell.decimals(other.bitsPerToken, 4),
        Cell.decimals(own.bitsPerToken - other.bitsPerToken, 4), Cell.decimals(own.seconds, 1),
        Cell.decimals(other.seconds, 1),
      ])
    }
    print(table.text)
    print("\nHeld-out bits a token after \(steps) steps of \(config).\n")
    print(results.machine.text)
    try Places.write(results, to: "prior-quality.json")
  }

  private struct Results: Codable {
    var machine: Machine
    let config: String
    let steps: Int
    var pairs: [Pair] = []
  }

  /// Two runs of a seed.
  private struct Pair: Codable {
    let seed: Int
    let tessera, torchFloat32: Run
  }

  /// How a run ended.
  private struct Run: Codable {
    let bitsPerToken, seconds: Double
    var parameters: Int?
    var version: String?
  }

  private func train(_ tokens: String, _ validation: String, seed: Int) throws -> Run {
    let output = try Places.emptyScratch("run")
    let process = try ChildProcess(
      Places.executable("train"),
      [
        "--config", config, "--data", tokens, "--validation", validation, "--output", output,
        "--steps", String(steps), "--threads", String(options.threads), "--quiet",
        "--set", "training.seed=\(seed)", "--set", "training.lanes=\(options.threads)",
        "--set", "monitor.evaluateEvery=\(steps)", "--set", "monitor.checkpointEvery=\(steps)",
        "--set", "monitor.evaluationImages=\(Int32.max)",
      ])
    let last = Journal.lines(folder: output).last { $0["kind"] == .string("evaluation") }
    guard case .number(let bits)? = last?["bitsPerToken"] else {
      throw BenchmarkError("\(output)/\(Journal.fileName) tells of no evaluation")
    }
    return Run(bitsPerToken: bits, seconds: process.seconds)
  }
}
