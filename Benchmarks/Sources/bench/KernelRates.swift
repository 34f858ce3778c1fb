import ArgumentParser
import Autodiff
import CPUBackend
import Execution
import Kernels

/// Each kind of kernel by itself, in one thread, beside the bound that it should come near.
struct KernelRates: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "kernels",
    abstract: "Measures convolutions, passes over memory and the nearest code, one thread.")

  @OptionGroup var options: BenchOptions

  func run() throws {
    useSingleThreadedBLAS()
    var results = Results(machine: Machine(options))
    for preset in try options.presets(else: Preset.allCases) {
      let rates = try ConvolutionRates.measure(preset)
      print(ConvolutionRates.table(preset, rates) + "\n")
      results.convolutions[preset] = rates
    }
    results.passes = PassRates.measure()
    print(PassRates.table(results.passes) + "\n")
    results.nearestCodes = NearestCodeRate.measure()
    print(NearestCodeRate.table(results.nearestCodes) + "\n")
    print(results.machine.text)
    try Places.write(results, to: "kernels.json")
  }

  private struct Results: Codable {
    let machine: Machine
    var convolutions: [Preset: [ConvolutionRates]] = [:]
    var passes: [PassRates] = []
    var nearestCodes: [NearestCodeRate] = []
  }
}

extension Preset: CodingKeyRepresentable {}

/// A graph that is replayed again and again in one lane, instruction by instruction.
struct TracedGraph {
  private let session: Session<Device>

  /// Plans a graph; its inputs are random numbers, its parameters what they start with.
  init(_ graph: Graph, outputs: [String: Tensor] = [:]) {
    let backend = Device()
    let plan = Plan(graph, outputs: outputs, on: backend)
    let parameters = ParameterMemory(plan.parameters, on: backend)
    parameters.initialize(seed: 0)
    session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let inputs = plan.inputs.filter { $0.value.type == .float32 }
      .mapValues { randomNumbers($0.shape.count) }
    session.feed = { replay in
      for (name, numbers) in inputs { replay.write(name, numbers) }
    }
  }

  /// The words of the arena.
  var arenaWords: Int { session.plan.arenaWords }

  /// The instructions by kind; seconds and cost are of one replay, seconds the median.
  func rows(atLeast seconds: Double = 0.3, times: Int = 3) -> [TraceRow] {
    session.run(items: 1)
    var measured: [String: (row: TraceRow, seconds: [Double])] = [:]
    let began = ContinuousClock.now
    var runs = 0
    while runs < times || began.duration(to: .now) < .seconds(seconds) {
      let trace = Trace(session.plan, lanes: 1, threads: 1)
      session.trace = trace
      session.run(items: 1)
      for row in trace.rows(by: { $0.kind }) where row.executions! > 0 {
        measured[row.name, default: (row, [])].seconds.append(row.seconds)
      }
      runs += 1
    }
    session.trace = nil
    return measured.values.map { row, seconds in
      TraceRow(row.name, executions: row.executions, seconds: median(seconds), cost: row.cost)
    }.sorted { $0.name < $1.name }
  }
}

/// Numbers between -1 and 1.
func randomNumbers(_ count: Int) -> [Float] {
  var state: UInt32 = 1
  return (0..<count).map { _ in
    state = state &* 1_664_525 &+ 1_013_904_223
    return Float(Int32(bitPattern: state)) / 2_147_483_648
  }
}
