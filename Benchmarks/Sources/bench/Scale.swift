import ArgumentParser
import Configuration
import Foundation
import Inference
import Reports
import Synchronization
import Training

/// Training by ranks beside training by one process with as many lanes, and what a network makes of it.
struct Scale: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "Measures training by several processes beside one with as many lanes.")

  @Option(help: "The ranks, of one lane each.")
  var ranks = 2

  @Option(help: "Steps of a measurement.")
  var steps: Int?

  @OptionGroup var options: BenchOptions

  func run() throws {
    var results = Results(machine: Machine(options), ranks: ranks)
    for preset in try options.presets(else: Preset.allCases) {
      results.networks.append(try measure(preset))
    }
    print(rates(results))
    print()
    print(prediction(results))
    print("\n" + results.machine.text)
    try Places.write(results, to: "scale.json")
  }

  private struct Results: Codable {
    let machine: Machine
    let ranks: Int
    var networks: [Network] = []
  }

  private struct Network: Codable {
    let preset: Preset
    /// Trained numbers.
    let parameters: Int
    /// Images a step.
    let batch: Int
    /// Images a second of one process with as many lanes, round by round.
    var alone: [Double] = []
    /// Those of the ranks.
    var ranked: [Double] = []
    /// Milliseconds of a step that rank 0 spends in exchanges, waiting for the others included.
    var exchangeMilliseconds: [Double] = []

    /// Bytes that each rank of so many with one lane sends in a step.
    func bytes(ranks: Int) -> Double {
      let (r, lanes) = (Double(ranks), Double(ranks))
      return 4 * Double(parameters) * (lanes + 1) * (r - 1) / (r * r)
    }
  }

  private func measure(_ preset: Preset) throws -> Network {
    let run = try preset.configuration()
    let parameters = Codec<Device>.parameterLayout(run.tokenizer).count
    var network = Network(
      preset: preset, parameters: parameters, batch: run.training.batchSize)
    let steps = steps ?? preset.steps
    for round in 1...(options.rounds ?? preset.rounds) {
      let alone = try TrainingMeasurement(config: preset.path, steps: steps, lanes: ranks).run()
      let ranked = try RankedTraining(preset: preset, ranks: ranks).rate(steps: steps)
      let exchange = try RankedTraining(preset: preset, ranks: ranks).exchange(steps: steps)
      network.alone.append(alone.imagesPerSecond)
      network.ranked.append(ranked)
      network.exchangeMilliseconds.append(exchange)
      say(
        "\(preset.rawValue) round \(round): one process \(Cell.decimals(alone.imagesPerSecond, 2)) images/s, "
          + "\(ranks) ranks \(Cell.decimals(ranked, 2)), exchange \(Cell.decimals(exchange, 2)) ms a step"
      )
    }
    return network
  }

  private func rates(_ results: Results) -> String {
    var table = MarkdownTable([
      "network", "parameters", "1 process, \(ranks) lanes, images/s", "\(ranks) ranks",
      "ratio in pairs",
      "sent a step, MB", "exchange, ms a step",
    ])
    for row in results.networks {
      table.add([
        row.preset.rawValue, Cell.decimals(Double(row.parameters) / 1e6, 2) + " M",
        Cell.decimals(median(row.alone), 2), Cell.decimals(median(row.ranked), 2),
        Cell.decimals(median(zip(row.ranked, row.alone).map { $0 / $1 }), 3),
        Cell.decimals(row.bytes(ranks: ranks) / 1e6, 2),
        Cell.decimals(median(row.exchangeMilliseconds), 2),
      ])
    }
    return table.text
  }

  /// The step time on networks, on paper: a rank computes its lane's share of the batch as one lane does
  /// here, and then sends and receives at the network's rate, with 50 microseconds for each of the four
  /// exchanges of a step.
  private func prediction(_ results: Results) -> String {
    var table = MarkdownTable([
      "network", "machines", "images a step", "step alone, ms", "10 Gb/s: + ms", "efficiency",
      "100 Gb/s: + ms",
      "efficiency",
    ])
    for row in results.networks {
      // Each machine has as much to do as this one, with as many lanes; the batch grows with them.
      let step = Double(row.batch) / median(row.alone) * 1e3
      for machines in [2, 8] {
        let lanes = Double(machines * ranks)
        let r = Double(machines)
        let bytes = 4 * Double(row.parameters) * (lanes + 1) * (r - 1) / (r * r)
        let times = [1.25e9, 12.5e9].map { bytes / $0 * 1e3 + 4 * 0.05 }
        table.add(
          [
            row.preset.rawValue, String(machines), String(row.batch * machines),
            Cell.decimals(step, 1),
          ]
            + times.flatMap { [Cell.decimals($0, 1), Cell.decimals(step / (step + $0), 3)] })
      }
    }
    return table.text
  }
}

/// Training as several processes that torchrun's variables make ranks.
struct RankedTraining {
  let preset: Preset
  let ranks: Int

  /// Images a second, of the median step.
  func rate(steps: Int) throws -> Double {
    let output = try Places.emptyScratch("run")
    let all = 2 + steps
    _ = try start(
      ["--output", output, "--steps", String(all), "--quiet"],
      settings: [
        "monitor.logEvery=1", "monitor.evaluateEvery=\(all)", "monitor.evaluationImages=1",
        "monitor.samples=0", "monitor.checkpointEvery=\(all)",
      ])
    return median(
      Array(try TrainingMeasurement.rates(inJournal: output + "/" + Journal.fileName).dropFirst(2)))
  }

  /// Milliseconds of a step that rank 0 spends in exchanges.
  func exchange(steps: Int) throws -> Double {
    let output = try start(["--trace", "--steps", String(steps)], settings: [])
    let line = output.split(separator: "\n").first { $0.contains("(exchange between ranks)") }
    guard let line, let number = line.split(separator: ")").last?.split(separator: " ").first,
      let milliseconds = Double(number)
    else { throw BenchmarkError("the trace tells of no exchange:\n\(output)") }
    return milliseconds
  }

  /// Runs all ranks to their end, and returns what rank 0 printed.
  private func start(_ arguments: [String], settings: [String]) throws -> String {
    let run = try preset.configuration()
    let data = try Places.scenes(size: run.data.imageSize)
    let program = try Places.executable("train")
    let common =
      [
        "--config", preset.path, "--data", data + "/train", "--validation", data + "/validation",
        "--threads", "1",
      ] + arguments + (settings + ["training.lanes=\(ranks)"]).flatMap { ["--set", $0] }
    let port = 20_000 + Int.random(in: 0..<20_000)
    let outcomes = Mutex([Int: Result<ChildProcess, any Error>]())
    let group = DispatchGroup()
    for rank in 0..<ranks {
      let variables = [
        "RANK=\(rank)", "WORLD_SIZE=\(ranks)", "MASTER_ADDR=127.0.0.1", "TESSERA_PORT=\(port)",
      ]
      DispatchQueue.global().async(group: group) {
        let outcome = Result {
          try ChildProcess(
            variables[0], Array(variables.dropFirst()) + [program] + common, scratch: "rank-\(rank)"
          )
        }
        outcomes.withLock { $0[rank] = outcome }
      }
    }
    group.wait()
    let all = outcomes.withLock { $0 }
    for rank in 0..<ranks { _ = try all[rank]!.get() }
    return try all[0]!.get().output
  }
}
