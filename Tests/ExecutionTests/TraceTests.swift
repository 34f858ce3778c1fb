import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// Traces: all time is accounted for, and measuring changes no number.
struct TraceTests {
  /// A session that has made one run with a trace, as part of one step.
  static func traced(lanes: Int, threads: Int, items: Int) -> (run: GraphRun, trace: Trace) {
    let small = SmallTokenizer.all[1]
    let run = small.run(lanes: lanes, threads: threads, items: items)
    run.parameters.initialize(seed: 1)
    let trace = Trace(run.plan, lanes: lanes, threads: run.session.threads)
    run.session.trace = trace
    let updater = Updater(run.session)
    let began = ContinuousClock.now
    trace.add(.waiting, since: began)
    run.run(items: items) { item in
      ["images": HashedNumbers.values("image\(item)", count: small.imageCount)]
    }
    _ = updater.sumGradients()
    trace.addStep(since: began)
    return (run, trace)
  }

  @Test(arguments: [(1, 1), (2, 1), (2, 2), (3, 2)])
  func allTimeIsAccountedFor(lanes: Int, threads: Int) {
    let trace = Self.traced(lanes: lanes, threads: threads, items: 6).trace
    let rows = trace.rows { $0.kind } + trace.surroundings
    let sum = rows.reduce(0) { $0 + $1.seconds }
    #expect(trace.steps == 1)
    #expect(trace.threadSeconds == trace.seconds * Double(threads))
    #expect(abs(sum - trace.threadSeconds) < 1e-6 * trace.threadSeconds)
    #expect(rows.allSatisfy { $0.seconds >= 0 }, "\(rows.filter { $0.seconds < 0 })")
    #expect(Set(rows.map(\.name)).count == rows.count)
  }

  @Test func everyInstructionIsCountedInEveryReplay() {
    let (run, trace) = Self.traced(lanes: 2, threads: 2, items: 6)
    let rows = trace.rows { $0.operation.name }
    #expect(rows == rows.sorted { $0.seconds > $1.seconds })
    for row in rows {
      let replayed = run.plan.instructions.filter { $0.operation.name == row.name }
      let prepared = run.plan.preparation.filter { $0.operation.name == row.name }
      #expect(row.executions == 6 * replayed.count + prepared.count)
      let cost = replayed.reduce(Cost()) { $0 + $1.cost * 6 }
      #expect(row.cost == prepared.reduce(cost) { $0 + $1.cost })
    }
    #expect(rows.contains { $0.name == "squared norms" }, "the preparation is missing")
    let byLayer = trace.rows { $0.layer }
    #expect(byLayer.reduce(0) { $0 + $1.executions! } == rows.reduce(0) { $0 + $1.executions! })
    #expect(byLayer.contains { $0.name == "encoder.conv_in" })
  }

  @Test func measuringChangesNoBit() {
    let small = SmallTokenizer.all[0]
    let run = small.run(lanes: 2, threads: 2, items: 2)
    run.parameters.initialize(seed: 1)
    let inputs = { (item: Int) in
      ["images": HashedNumbers.values("image\(item)", count: small.imageCount)]
    }
    run.run(items: 2, inputs)
    let untraced = run.gradients()
    run.session.trace = Trace(run.plan, lanes: 2, threads: 2)
    run.run(items: 2, inputs)
    #expect(run.gradients() == untraced)
  }
}
