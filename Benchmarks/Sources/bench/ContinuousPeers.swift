import ArgumentParser
import Foundation
import Training

/// A continuous prior: training and sampling beside PyTorch, in turns.
struct ContinuousPeers: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "continuous",
    abstract: "Measures training and sampling of a continuous prior beside PyTorch, in turns.",
    discussion: """
      Before, PyTorch's network reads the weights that Tessera trained, and the section ends where it \
      yields other numbers: another network would prove nothing.
      """)

  @OptionGroup var options: BenchOptions

  func run() throws {
    let torch = Torch.find()
    if torch == nil {
      say("no PyTorch: neither TESSERA_PYTHON nor python3 is a Python that has it; Tessera alone")
    }
    let network = ContinuousPreset.continuous
    let run = ContinuousRun(config: network.path, lanes: options.threads)
    let folder = try run.checkpoint()
    var results = Results(machine: Machine(options))
    if let torch { results.agreement = try agreement(torch, network, folder) }
    for task in PriorTask.allCases {
      results.comparisons.append(try compare(network, task, run, folder, torch))
    }
    results.machine.peer = results.comparisons[0].peerVersion
    results.amed = try amed(run, folder)
    print(Peer.table(results.comparisons, of: "Images"))
    if let agreement = results.agreement { print("\n" + agreement.text) }
    if let amed = results.amed { print("\n" + amed.text) }
    print("\n" + results.machine.text)
    try Places.write(results, to: "continuous.json")
  }

  private struct Results: Codable {
    var machine: Machine
    var agreement: ContinuousAgreement?
    var comparisons: [Peer] = []
    var amed: FewSteps?
  }

  private typealias Peer = Comparison<ContinuousPreset, PriorTask, Measurement>

  /// Images that are drawn at once.
  private static let drawn = 16
  /// Steps of Heun's method, of two evaluations each.
  private static let solverSteps = 9

  /// How far PyTorch's network is from Tessera's, of the same weights.
  ///
  /// - Throws: ``BenchmarkError`` where it is another one.
  private func agreement(
    _ torch: Torch, _ network: ContinuousPreset, _ folder: String
  ) throws -> ContinuousAgreement {
    let numbers = try Places.scratch("continuous") + "/numbers.safetensors"
    try ContinuousNumbers(folder: folder, steps: Self.solverSteps).write(to: numbers)
    let agreement: ContinuousAgreement = try torch.run(
      "torch_continuous.py",
      [
        "--config", network.path, "--weights", folder + "/" + Checkpoint.modelFile,
        "--numbers", numbers, "--solver-steps", String(Self.solverSteps),
        "--threads", String(options.threads),
      ])
    say(agreement.text)
    try agreement.check()
    return agreement
  }

  /// Measures in turns, so that what the machine does meanwhile meets all alike.
  private func compare(
    _ network: ContinuousPreset, _ task: PriorTask, _ run: ContinuousRun, _ folder: String,
    _ torch: Torch?
  ) throws -> Peer {
    let parameters = try run.parameters()
    var comparison = Peer(
      preset: network, task: task,
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
        let measurement: Measurement
        if let precision = engine.precision {
          measurement = try peer(torch!, network, task, precision)
          guard measurement.parameters == parameters else {
            throw BenchmarkError(
              "\(network.path): PyTorch's prior has \(measurement.parameters ?? 0) parameters, "
                + "Tessera's \(parameters); they are not the same")
          }
        } else {
          switch task {
          case .training: measurement = try run.train(steps: network.steps)
          case .sampling:
            measurement = try run.sample(
              from: folder, count: Self.drawn, solver: "heun", steps: Self.solverSteps)
          }
        }
        comparison.measurements[engine, default: []].append(measurement)
        say(
          "\(task.rawValue) round \(round): \(engine.title) "
            + "\(Cell.decimals(measurement.imagesPerSecond, 1)) images/s, "
            + Cell.megabytes(measurement.peakBytes))
      }
    }
    return comparison
  }

  private func peer(
    _ torch: Torch, _ network: ContinuousPreset, _ task: PriorTask, _ precision: Torch.Precision
  ) throws -> Measurement {
    try torch.run(
      "torch_continuous.py",
      [
        "--config", network.path, "--task", task.rawValue, "--precision", precision.rawValue,
        "--threads", String(options.threads), "--count", String(Self.drawn),
        "--solver-steps", String(Self.solverSteps),
        "--steps", String(task == .training ? network.steps : 3),
      ])
  }

  /// Tessera alone, by a solver whose few steps were learned.
  private func amed(_ run: ContinuousRun, _ folder: String) throws -> FewSteps {
    let steps = 3
    let solver = try run.solver(of: folder, steps: steps)
    return FewSteps(
      steps: steps,
      measurements: try (0..<(options.rounds ?? 3)).map { _ in
        try run.sample(from: folder, count: Self.drawn, solver: solver, steps: steps)
      })
  }
}

/// A continuous prior that is measured, of those in `configs/`.
enum ContinuousPreset: String, Codable {
  /// 6.1 million parameters, 8x8 patches of 48 numbers, 16 images a step.
  case continuous

  /// Its configuration.
  var path: String { "configs/bench-continuous.json" }

  /// Training steps in a measurement, after two of warm-up.
  var steps: Int { 12 }
}

/// Drawing by a solver of few steps.
private struct FewSteps: Codable {
  let steps: Int
  let measurements: [Measurement]

  /// A line under the table.
  var text: String {
    let rate = Cell.significant(median(measurements.map(\.rate)))
    return "Tessera draws \(rate) images a second by amed, of \(steps) learned steps and "
      + "\(2 * steps) evaluations a vector."
  }
}
