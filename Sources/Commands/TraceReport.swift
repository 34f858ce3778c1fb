import Datasets
import Execution
import Reports
import Training

/// What a trace says, as two tables: by kind of operation, and by layer.
struct TraceReport {
  private let trace: Trace
  private let training: TrainingConfiguration
  private let imageSize: Int

  /// The layers in the second table.
  private static var layers: Int { 25 }

  init(_ trace: Trace, _ run: RunConfiguration) {
    self.trace = trace
    training = run.training
    imageSize = run.data.imageSize
  }

  var text: String {
    [heading, byKind, byLayer, Self.legend, memory].joined(separator: "\n\n")
  }

  private var milliseconds: Double { trace.seconds / Double(trace.steps) * 1e3 }

  private var heading: String {
    "\(Display.count(trace.steps, "step")) traced: \(Display.decimals(milliseconds, 1)) ms a step, "
      + "\(Display.decimals(Double(training.batchSize) / milliseconds * 1e3, 1)) images/s; "
      + "\(Display.count(training.lanes, "lane")) in \(Display.count(trace.threads, "thread")), "
      + "\(Display.count(training.replaysPerLane(imageSize: imageSize), "replay")) of "
      + "\(Display.count(training.imagesPerReplay(imageSize: imageSize), "image")) each"
  }

  private var byKind: String {
    let rows = trace.rows { $0.kind } + trace.surroundings
    return table("operation", rows.sorted { $0.seconds > $1.seconds }, isWhole: true)
  }

  private var byLayer: String {
    let rows = trace.rows { $0.layer.isEmpty ? $0.kind : "\($0.layer)  \($0.kind)" }
    return table("layer and operation", Array(rows.prefix(Self.layers)), isWhole: false)
  }

  private func table(_ title: String, _ rows: [TraceRow], isWhole: Bool) -> String {
    var table = TextTable([
      .init(title, isText: true), .init("calls"), .init("ms"), .init("share"), .init("GFLOP/s"),
      .init("GB/s"),
    ])
    for row in rows { table.add(cells(row)) }
    if isWhole {
      let sum = rows.reduce(TraceRow("all threads together", seconds: 0)) {
        TraceRow($0.name, seconds: $0.seconds + $1.seconds, cost: $0.cost + $1.cost)
      }
      table.add(cells(sum))
    }
    return table.text(width: .max)
  }

  /// One line: what is counted is a step's.
  private func cells(_ row: TraceRow) -> [String] {
    let steps = Double(trace.steps)
    func rate(_ count: Int) -> String {
      count > 0 && row.seconds > 0
        ? Display.decimals(Double(count) / row.seconds / 1e9, 1) : ""
    }
    return [
      row.name, row.executions.map { Display.count(Int((Double($0) / steps).rounded())) } ?? "",
      Display.decimals(row.seconds / steps * 1e3, 2),
      Display.decimals(row.seconds / trace.threadSeconds * 100, 1) + "%",
      rate(row.cost.operations), rate(row.cost.bytes),
    ]
  }

  private static let legend = """
    Calls and milliseconds are of one step, summed over threads; rates are of one thread. GFLOP/s \
    count what the
    direct algorithm would compute, GB/s the inputs that are read and the outputs that are written.
    """

  private var memory: String {
    let plan = trace.plan
    func bytes(_ words: Int, times count: Int = 1) -> String {
      Display.megabytes(words * count * MemoryLayout<Float>.stride)
    }
    let parameters = plan.parameters
    return "arena \(bytes(plan.arenaWords, times: training.lanes)) in "
      + "\(Display.count(training.lanes, "lane")); gradients "
      + "\(bytes(parameters.words, times: training.lanes)); parameters and moments "
      + "\(bytes(parameters.words, times: 3)); shared \(bytes(plan.sharedWords)); "
      + "peak memory of the process \(Display.megabytes(PeakMemory.bytes))"
  }
}
