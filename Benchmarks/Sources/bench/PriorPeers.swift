import ArgumentParser
import Foundation
import Training

/// Priors: training and sampling beside PyTorch, in turns.
struct PriorPeers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "prior",
    abstract: "Measures training and sampling of priors beside PyTorch, in turns.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    let presets =
      try options.presets.map { try [PriorPreset](list: $0) } ?? PriorPreset.allCases
    let torch = Torch.find()
    if torch == nil {
      say("no PyTorch: neither TESSERA_PYTHON nor python3 is a Python that has it; Tessera alone")
    }
    var machine = Machine(options)
    var comparisons: [Peer] = []
    for preset in presets {
      for task in PriorTask.allCases {
        let comparison = try compare(preset, task, torch)
        comparisons.append(comparison)
        machine.peer = comparison.peerVersion ?? machine.peer
      }
    }
    print(Peer.table(comparisons, of: "Tokens"))
    print("\n" + machine.text)
    try Places.write(Results(machine: machine, comparisons: comparisons), to: "prior.json")
  }

  private struct Results: Codable {
    let machine: Machine
    let comparisons: [Peer]
  }

  private typealias Peer = Comparison<PriorPreset, PriorTask, PriorMeasurement>

  /// Sequences that are drawn at once.
  private static let drawn = 16

  /// Measures in turns, so that what the machine does meanwhile meets all alike.
  private func compare(_ preset: PriorPreset, _ task: PriorTask, _ torch: Torch?) throws -> Peer {
    let run = PriorRun(config: preset.path, lanes: options.threads)
    let parameters = try run.parameters()
    let folder = task == .sampling ? try run.checkpoint() : ""
    var comparison = Peer(
      preset: preset, task: task,
      batch: task == .sampling ? Self.drawn : try run.configuration().training.batchSize)
    let engines = Engine.allCases.filter { engine in
      switch engine.precision {
      case nil: true
      case .float32: torch != nil
      case .bfloat16: torch != nil && Torch.hasBfloat16
      }
    }
    for round in 1...(options.rounds ?? 3) {
      for engine in engines {
        let measurement: PriorMeasurement
        if let precision = engine.precision {
          measurement = try peer(torch!, preset, task, precision, run)
          guard measurement.parameters == parameters else {
            throw BenchmarkError(
              "\(preset): PyTorch's prior has \(measurement.parameters ?? 0) parameters, "
                + "Tessera's \(parameters); they are not the same")
          }
        } else {
          switch task {
          case .training: measurement = try run.train(steps: preset.steps)
          case .sampling: measurement = try run.sample(from: folder, count: Self.drawn)
          }
        }
        comparison.measurements[engine, default: []].append(measurement)
        say(
          "\(preset.rawValue) \(task.rawValue) round \(round): \(engine.title) "
            + "\(Cell.decimals(measurement.tokensPerSecond, 0)) tokens/s, "
            + Cell.megabytes(measurement.peakBytes))
      }
    }
    return comparison
  }

  private func peer(
    _ torch: Torch, _ preset: PriorPreset, _ task: PriorTask, _ precision: Torch.Precision,
    _ run: PriorRun
  ) throws -> PriorMeasurement {
    try torch.run(
      "torch_prior.py",
      [
        "--config", preset.path, "--task", task.rawValue, "--precision", precision.rawValue,
        "--threads", String(options.threads), "--codes", String(run.codes),
        "--places", String(run.side * run.side), "--count", String(Self.drawn),
        "--steps", String(task == .training ? preset.steps : 1),
      ])
  }
}

/// What is measured of a prior.
enum PriorTask: String, Codable, CaseIterable {
  /// Forward, backward, clipping and the optimizer.
  case training
  /// Drawing whole sequences, with a cache of keys and values.
  case sampling
}
