/// A line of a trace: something that took time, in all threads together.
public struct TraceRow: Sendable, Hashable {
  /// The operation or phase.
  public let name: String
  /// How often it was done, where that can be counted.
  public let executions: Int?
  /// The time, summed over threads.
  public let seconds: Double
  /// The arithmetic and memory traffic, all executions together.
  public let cost: Cost

  /// A line of a trace.
  public init(_ name: String, executions: Int? = nil, seconds: Double, cost: Cost = Cost()) {
    self.name = name
    self.executions = executions
    self.seconds = seconds
    self.cost = cost
  }
}

extension Trace {
  /// The time summed over threads: what all rows add up to.
  public var threadSeconds: Double { seconds * Double(threads) }

  /// The instructions in groups of one name, the longest time first.
  ///
  /// - Parameter name: what to group by, such as the kind of an instruction or its layer.
  public func rows(by name: (Instruction) -> String) -> [TraceRow] {
    var rows: [String: TraceRow] = [:]
    func add(_ instructions: [Instruction], _ stopwatches: [Stopwatch]) {
      for (index, instruction) in instructions.enumerated() {
        let executions = stopwatches.reduce(0) { $0 + $1.executions[index] }
        let seconds = stopwatches.reduce(0) { $0 + $1.instructions[index] }
        let name = name(instruction)
        let sum = rows[name] ?? TraceRow(name, executions: 0, seconds: 0)
        rows[name] = TraceRow(
          name, executions: sum.executions! + executions, seconds: sum.seconds + seconds,
          cost: sum.cost + instruction.cost * executions)
      }
    }
    add(plan.preparation, [preparation])
    add(plan.instructions, lanes)
    return rows.values.sorted { ($0.seconds, $1.name) > ($1.seconds, $0.name) }
  }

  /// What is not an instruction: with the rows of instructions it adds up to `threadSeconds`.
  public var surroundings: [TraceRow] {
    func whole(_ phase: Phase) -> Double { seconds(of: phase) * Double(threads) }
    func chore(_ chore: Stopwatch.Chore) -> Double {
      lanes.reduce(0) { $0 + $1.chores[chore.rawValue] }
    }
    let rest = threadSeconds - Phase.allCases.reduce(0) { $0 + whole($1) }
    let rows = [
      TraceRow("(waiting for the batch)", seconds: whole(.waiting)),
      TraceRow(
        "(threads idle during preparation)", seconds: whole(.preparing) - preparation.total),
      TraceRow("(clearing gradients)", seconds: chore(.clearing)),
      TraceRow("(feeding images)", seconds: chore(.feeding)),
      TraceRow("(statistics, outputs)", seconds: chore(.collecting)),
      TraceRow(
        "(lanes waiting for the last one)",
        seconds: whole(.replaying) - lanes.reduce(0) { $0 + $1.total }),
      TraceRow("(sum of gradients over lanes)", seconds: whole(.summing)),
      TraceRow("(optimizer)", seconds: whole(.updating)),
      TraceRow("(the rest)", seconds: rest),
    ]
    return rows.filter { $0.seconds != 0 }
  }
}
