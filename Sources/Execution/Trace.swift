/// Where the time of a session's runs goes: each instruction in each lane, and all around them.
///
/// Times are summed over threads, so that they add up to the time that passed times the threads;
/// idle time is reported as waiting.
public final class Trace: @unchecked Sendable {
  // Unchecked: each lane writes to its own stopwatch, and all else is of the thread that runs the
  // session.

  /// The program that is traced.
  public let plan: Plan
  /// The threads that execute it.
  public let threads: Int
  /// The steps that were measured.
  public private(set) var steps = 0
  /// The time that passed in them, by the clock.
  public private(set) var seconds = 0.0

  /// The bytes that this process sent to others.
  public private(set) var bytesSent = 0

  let lanes: [Stopwatch]
  let preparation: Stopwatch
  private var phases = [Double](repeating: 0, count: Phase.allCases.count)

  /// The parts of a step, one after the other.
  public enum Phase: Int, Sendable, CaseIterable {
    /// Waiting for the numbers of the batch.
    case waiting
    /// Computing what depends on parameters alone.
    case preparing
    /// Replaying the plan, in all lanes.
    case replaying
    /// Sending sums and outputs to other processes, and waiting for theirs.
    case exchanging
    /// Summing gradients over lanes.
    case summing
    /// Moving the parameters.
    case updating
  }

  /// A trace of a plan in a number of lanes.
  ///
  /// - Parameters:
  ///   - plan: the session's.
  ///   - lanes: the session's.
  ///   - threads: how many lanes compute at once.
  public init(_ plan: Plan, lanes: Int, threads: Int) {
    self.plan = plan
    self.threads = threads
    self.lanes = (0..<lanes).map { _ in Stopwatch(instructions: plan.instructions.count) }
    preparation = Stopwatch(instructions: plan.preparation.count)
  }

  /// Adds the time since an instant to a phase.
  public func add(_ phase: Phase, since began: ContinuousClock.Instant) {
    phases[phase.rawValue] += began.duration(to: .now) / .seconds(1)
  }

  /// Adds bytes that were sent to other processes.
  func addSent(bytes: Int) { bytesSent += bytes }

  /// Adds a step, from its first phase to its last: the time since an instant.
  public func addStep(since began: ContinuousClock.Instant) {
    steps += 1
    seconds += began.duration(to: .now) / .seconds(1)
  }

  /// The time of a phase, by the clock.
  public func seconds(of phase: Phase) -> Double { phases[phase.rawValue] }
}

/// Measures what one lane does, one thing after the other.
final class Stopwatch {
  /// What a lane does besides executing instructions.
  enum Chore: Int, CaseIterable {
    /// Setting its gradients and statistics to zero.
    case clearing
    /// Writing the inputs of a replay.
    case feeding
    /// Adding to the statistics and reading the outputs.
    case collecting
  }

  private(set) var instructions: [Double]
  private(set) var executions: [Int]
  private(set) var chores = [Double](repeating: 0, count: Chore.allCases.count)
  private var mark = ContinuousClock.now

  init(instructions count: Int) {
    instructions = Array(repeating: 0, count: count)
    executions = Array(repeating: 0, count: count)
  }

  /// The time of all that was measured.
  var total: Double { instructions.reduce(0, +) + chores.reduce(0, +) }

  /// What is done from now on is measured.
  func start() { mark = .now }

  /// An instruction has ended, and the next thing begins.
  func end(instruction index: Int) {
    instructions[index] += lap()
    executions[index] += 1
  }

  /// A chore has ended, and the next thing begins.
  func end(_ chore: Chore) { chores[chore.rawValue] += lap() }

  private func lap() -> Double {
    let now = ContinuousClock.now
    let (whole, fraction) = mark.duration(to: now).components
    mark = now
    return Double(whole) + Double(fraction) * 1e-18
  }
}

// MARK: - Rows

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
      TraceRow("(exchange between ranks)", seconds: whole(.exchanging)),
      TraceRow("(sum of gradients over lanes)", seconds: whole(.summing)),
      TraceRow("(optimizer)", seconds: whole(.updating)),
      TraceRow("(the rest)", seconds: rest),
    ]
    return rows.filter { $0.seconds != 0 }
  }
}
