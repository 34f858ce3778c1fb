import ArgumentParser
import Configuration
import Execution
import Foundation
import Inference
import Training

/// The main table: training and encoding beside PyTorch, in turns.
struct Peers: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures training and encoding beside PyTorch, in turns.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    let presets = try options.presets(else: Preset.allCases)
    let torch = Torch.find()
    if torch == nil {
      say("no PyTorch: neither TESSERA_PYTHON nor python3 is a Python that has it; Tessera alone")
    }
    var machine = Machine(options)
    var comparisons: [Peer] = []
    for preset in presets {
      for task in Task.allCases {
        let comparison = try compare(preset, task, torch)
        comparisons.append(comparison)
        machine.peer = comparison.peerVersion ?? machine.peer
      }
    }
    print(Peer.table(comparisons, of: "Images"))
    print("\n" + machine.text)
    try Places.write(Results(machine: machine, comparisons: comparisons), to: "peers.json")
  }

  private struct Results: Codable {
    let machine: Machine
    let comparisons: [Peer]
  }

  private typealias Peer = Comparison<Preset, Task, Measurement>

  /// Measures in turns, so that what the machine does meanwhile meets all alike.
  private func compare(_ preset: Preset, _ task: Task, _ torch: Torch?) throws -> Peer {
    let run = try preset.configuration()
    let parameters = Codec<Device>.parameterLayout(run.tokenizer).count
    var comparison = Peer(preset: preset, task: task, batch: run.training.batchSize)
    for round in 1...(options.rounds ?? preset.rounds) {
      for engine in torch == nil ? [Engine.tessera] : Engine.allCases
      where engine != .torchBfloat16 || Torch.hasBfloat16 {
        let measurement: Measurement
        if let precision = engine.precision {
          measurement = try torch!.measure(
            task, config: preset.path, precision, threads: options.threads,
            steps: task == .training ? preset.steps : 20)
          guard measurement.parameters == parameters else {
            throw BenchmarkError(
              "\(preset): PyTorch's network has \(measurement.parameters ?? 0) parameters, "
                + "Tessera's \(parameters); they are not the same")
          }
        } else {
          measurement = try tessera(preset, task)
        }
        comparison.measurements[engine, default: []].append(measurement)
        say(
          "\(preset.rawValue) \(task.rawValue) round \(round): \(engine.title) "
            + "\(Cell.decimals(measurement.imagesPerSecond, 1)) images/s, "
            + Cell.megabytes(measurement.peakBytes))
      }
    }
    return comparison
  }

  private func tessera(_ preset: Preset, _ task: Task) throws -> Measurement {
    switch task {
    case .training:
      return try TrainingMeasurement(
        config: preset.path, steps: preset.steps, lanes: options.threads
      ).run()
    case .encoding:
      return try Measure.inAnotherProcess(config: preset.path, lanes: options.threads)
    }
  }
}
