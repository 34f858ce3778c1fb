import ArgumentParser
import Configuration
import Datasets
import Execution
import Foundation
import Inference
import Reports
import Synchronization
import Training

/// Training by ranks beside training by one process with as many lanes, and what a network makes of it.
struct RankScaling: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "scale",
    abstract: "Measures training by several processes beside one with as many lanes.")

  @Option(help: "The ranks, of one lane each.")
  var ranks = 2

  @Option(help: "Steps of a measurement.")
  var steps: Int?

  @Flag(help: "Start the ranks by mpirun: after make build MPI=1.")
  var mpi = false

  @Option(
    help: ArgumentHelp(
      "Run each rank in a network namespace of its own, joined by a link of this rate, as in 1gbit; needs root.",
      valueName: "rate"))
  var link: String?

  func validate() throws {
    if mpi, link != nil { throw ValidationError("--mpi and --link: choose one") }
    if link != nil, ranks != 2 { throw ValidationError("--link: expected 2 ranks") }
  }

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

    /// Bytes that each rank sends in a step.
    func bytes(ranks: Int, lanes: Int) -> Double {
      let (r, l) = (Double(ranks), Double(lanes))
      return 4 * Double(parameters) * (l + r) * (r - 1) / (r * r)
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
      let launch = RankedTraining(preset: preset, ranks: ranks, usesMPI: mpi, link: link)
      let ranked = try launch.rate(steps: steps)
      let exchange = try launch.exchange(steps: steps)
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
        Cell.decimals(row.bytes(ranks: ranks, lanes: ranks) / 1e6, 2),
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
        let bytes = row.bytes(ranks: machines, lanes: machines * ranks)
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
  /// Whether mpirun starts them.
  var usesMPI = false
  /// The rate of the link between two of them, as `tc` takes it; nil for processes of one network.
  var link: String?

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
    if usesMPI {
      return try ChildProcess(
        "mpirun",
        ["--allow-run-as-root", "--bind-to", "none", "-n", String(ranks), program] + common
      ).output
    }
    let port = 20_000 + Int.random(in: 0..<20_000)
    let network = try link.map { try LimitedLink(rate: $0) }
    defer { network?.remove() }
    let outcomes = Mutex([Int: Result<ChildProcess, any Error>]())
    let group = DispatchGroup()
    for rank in 0..<ranks {
      let variables = [
        "RANK=\(rank)", "WORLD_SIZE=\(ranks)", "MASTER_ADDR=\(network?.address ?? "127.0.0.1")",
        "TESSERA_PORT=\(port)",
      ]
      let prefix = network.map { ["ip", "netns", "exec", $0.names[rank]] } ?? []
      DispatchQueue.global().async(group: group) {
        let outcome = Result {
          try ChildProcess(
            variables[0], Array(variables.dropFirst()) + prefix + [program] + common,
            scratch: "rank-\(rank)")
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

/// Two networks joined by a link of a limited rate.
private struct LimitedLink {
  let names: [String]
  let address = "10.78.0.1"

  init(rate: String) throws {
    let names = ["bencha", "benchb"]
    self.names = names
    let (a, b) = (names[0], names[1])
    var lines = [
      "ip netns del \(a)", "ip netns del \(b)", "ip netns add \(a) || exit 1",
      "ip netns add \(b) || exit 1",
      "ip link add \(a) type veth peer name \(b) || exit 1",
    ]
    for (index, name) in names.enumerated() {
      lines += [
        "ip link set \(name) netns \(name)",
        "ip netns exec \(name) ip addr add 10.78.0.\(index + 1)/24 dev \(name)",
        "ip netns exec \(name) tc qdisc add dev \(name) root tbf rate \(rate) burst 4mb latency 50ms || exit 1",
        "ip netns exec \(name) ip link set \(name) up", "ip netns exec \(name) ip link set lo up",
      ]
    }
    _ = try ChildProcess("sh", ["-c", lines.joined(separator: "\n")])
  }

  func remove() {
    for name in names { _ = try? ChildProcess("ip", ["netns", "del", name]) }
  }
}
