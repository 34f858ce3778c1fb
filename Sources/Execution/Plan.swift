import Autodiff

/// A straight-line program: what to execute, in order, and where everything lies.
///
/// A plan is immutable. Many lanes replay it at once, each in its own arena.
public struct Plan: Sendable {
  /// Replayed for each micro-batch.
  public let instructions: [Instruction]
  /// Depends only on parameters: executed once per update, for all lanes.
  public let preparation: [Instruction]
  /// Where the parameters lie, and their gradients.
  public let parameters: ParameterLayout
  /// The values that are written before each replay.
  public let inputs: [String: Operand]
  /// The values that can be read after a replay.
  public let outputs: [String: Operand]
  /// The values that are summed over replays and lanes, in order of name.
  public let statistics: [(name: String, operand: Operand)]
  /// The words of a lane's arena.
  public let arenaWords: Int
  /// The words of the memory that lanes share, besides the parameters.
  public let sharedWords: Int
  /// The words that the arena would take if nothing shared memory.
  public let wordsWithoutSharing: Int
  /// Whether a replay adds to gradient memory.
  public let hasGradients: Bool

  /// Plans a graph.
  ///
  /// - Parameters:
  ///   - graph: the record; what none of the results need is omitted.
  ///   - outputs: the values to read after a replay, by name.
  ///   - statistics: the values to sum over replays and lanes, by name.
  ///   - workspace: the scratch words that an operation needs on the backend.
  public init(
    _ graph: Graph, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:],
    workspace: @escaping (any Operator, _ inputs: [Shape], _ outputs: [Shape]) -> Int
  ) {
    let results = Array(outputs.values) + Array(statistics.values)
    var planner = Planner(graph, keeping: results.map(\.id), workspace: workspace)
    planner.run()
    instructions = planner.instructions
    preparation = planner.preparation
    parameters = planner.parameters
    arenaWords = planner.arenaWords
    sharedWords = planner.sharedWords
    wordsWithoutSharing = planner.wordsWithoutSharing
    hasGradients = planner.hasGradients
    var inputs: [String: Operand] = [:]
    for (index, value) in graph.values.enumerated() {
      if case .input(let name) = value.role { inputs[name] = planner.operand(ValueID(index)) }
    }
    self.inputs = inputs
    self.outputs = outputs.mapValues { planner.operand($0.id)! }
    self.statistics = statistics.sorted { $0.key < $1.key }
      .map { (name: $0.key, operand: planner.operand($0.value.id)!) }
  }
}

extension Plan {
  /// Plans a graph for a device, which tells what scratch memory its kernels need.
  public init<B: Backend>(
    _ graph: Graph, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:],
    on backend: B
  ) {
    self.init(graph, outputs: outputs, statistics: statistics) {
      backend.workspace(for: $0, inputs: $1, outputs: $2)
    }
  }
}

extension Plan: CustomStringConvertible {
  /// A table of instructions, one a line, and the totals of memory.
  public var description: String {
    var lines: [String] = []
    func table(_ title: String, _ instructions: [Instruction]) {
      guard !instructions.isEmpty else { return }
      lines.append(title)
      lines.append("      offset       MB  operation, shape, layer")
      for instruction in instructions {
        for operand in instruction.outputs {
          let place = operand.region == .gradients ? "gradient" : String(operand.offset)
          lines.append(
            pad(place, 12) + pad(megabytes(operand.shape.count), 9) + "  "
              + instruction.operation.name + " \(operand.shape)"
              + (instruction.layer.isEmpty ? "" : "  " + instruction.layer))
        }
      }
    }
    table("Once an update, shared by all lanes:", preparation)
    table("For each micro-batch, in each lane:", instructions)
    lines.append(
      "\(instructions.count) instructions; arena \(megabytes(arenaWords)) MB a lane "
        + "(\(megabytes(wordsWithoutSharing)) MB if nothing shared memory); "
        + "\(parameters.count) parameters, \(megabytes(parameters.words)) MB; "
        + "shared \(megabytes(sharedWords)) MB")
    return lines.joined(separator: "\n")
  }
}

/// A number of words as megabytes with two decimals.
private func megabytes(_ words: Int) -> String {
  let hundredths = (words * 4 + 5000) / 10000
  let fraction = hundredths % 100
  return "\(hundredths / 100).\(fraction < 10 ? "0" : "")\(fraction)"
}

private func pad(_ text: String, _ width: Int) -> String {
  String(repeating: " ", count: max(0, width - text.count)) + text
}
