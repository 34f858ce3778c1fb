import Configuration
import Datasets
import Execution
import Formatting
import Foundation
import Reports
import Tokenizers
import Training

/// What a run is, in the two lines that `train` begins with.
struct RunDescription {
  private let run: RunConfiguration

  /// A run as it is configured.
  init(_ run: RunConfiguration) { self.run = run }

  /// The tokenizer: `fsq 8,5,5,5: 32x32 pixels -> 16x16 tokens of 1,000 codes, 2.49 bits/pixel`.
  func tokenizer(parameters: Int) -> String {
    let (side, grid) = (run.data.imageSize, run.data.imageSize / run.model.downsampling)
    if run.quantizer.isContinuous {
      let channels = run.quantizer.codeDimension
      let numbers = Double(channels * grid * grid) / Double(side * side)
      return "\(run.quantizer.kind) \(run.quantizer.chosen.sizeText): \(side)x\(side) pixels -> "
        + "\(grid)x\(grid)x\(channels) latents, \(Display.significant(numbers, 3)) latents/pixel; "
        + Display.count(parameters, "parameter") + frozen
    }
    let depth = run.quantizer.depth
    let tokens = "\(grid)x\(grid)\(depth > 1 ? "x\(depth)" : "") tokens"
    let quantizer = "\(run.quantizer.kind) \(run.quantizer.chosen.sizeText)"
    return "\(quantizer): \(side)x\(side) pixels -> \(tokens) of "
      + "\(Display.count(run.quantizer.codebookSize, "code")), "
      + "\(Display.decimals(bitsPerPixel, bitsPerPixel < 1 ? 3 : 2)) bits/pixel; "
      + Display.count(parameters, "parameter") + frozen
  }

  /// The parts that are not trained.
  private var frozen: String {
    run.frozenParts.isEmpty ? "" : "; \(run.frozenParts.joined(separator: " and ")) frozen"
  }

  /// Bits of the tokens of an image over its pixels.
  var bitsPerPixel: Double {
    let side = Double(run.model.downsampling)
    return Double(run.quantizer.depth) * log2(Double(run.quantizer.codebookSize))
      / (side * side)
  }

  /// The images, the length, the cores and the folder.
  func work(_ overview: TrainingOverview, folder: String) -> String {
    let training = run.training
    let epochs =
      Double(training.steps) * Double(training.batchSize) / Double(max(1, overview.trainingImages))
    return "\(Display.count(overview.trainingImages, "image")), "
      + "\(Display.count(overview.evaluationImages)) for evaluation; "
      + "\(Display.count(training.steps, "step")) of \(training.batchSize) = "
      + "\(Self.epochs(epochs)); \(Self.cores(overview)), "
      + "\(Display.megabytes(overview.arenaBytes)); \(folder)"
  }

  /// "2 of 16 cores (--set training.lanes=16 uses all)".
  static func cores(_ overview: TrainingOverview) -> String {
    let used = "\(overview.threads) of \(Display.count(overview.cores, "core"))"
    let most = overview.lanesForAllCores
    guard most > overview.lanes, overview.threads < overview.cores else { return used }
    return used
      + " (--set training.lanes=\(most) uses \(most == overview.cores ? "all" : "\(most)"))"
  }

  private static func epochs(_ count: Double) -> String {
    let text =
      count >= 100 ? Display.count(Int(count.rounded())) : Display.decimals(count, 1)
    return text + (text == "1.0" ? " epoch" : " epochs")
  }
}

/// The result of `train --find-rate` as text: a plot of the loss over the rate, and the suggestion.
struct RateTestReport {
  private let test: RateTest

  /// Rows and columns of the plot.
  private static let (rows, columns) = (24, 40)

  init(_ test: RateTest) { self.test = test }

  var text: String {
    var lines = [
      "learning rate    loss  (smoothed; * marks the suggested rate)"
    ]
    let shown = Self.spread(test.points.count).map { test.points[$0] }
    let values = shown.map(\.smoothed)
    let (low, high) = (values.min() ?? 0, values.max() ?? 0)
    let marked = test.suggestion.flatMap { suggestion in
      shown.indices.min {
        abs(log(shown[$0].rate / suggestion)) < abs(log(shown[$1].rate / suggestion))
      }
    }
    for (index, point) in shown.enumerated() {
      let share = high > low ? (point.smoothed - low) / (high - low) : 0
      let bar = String(repeating: "#", count: 1 + Int(share * Double(Self.columns - 1)))
      lines.append(
        Self.number(point.rate) + " \(index == marked ? "*" : " ") "
          + Display.loss(point.smoothed).padding(toLength: 10, withPad: " ", startingAt: 0) + bar)
    }
    lines.append("")
    lines += conclusion
    return lines.joined(separator: "\n")
  }

  private var conclusion: [String] {
    var lines: [String] = []
    if let divergence = test.divergence {
      lines.append("Training diverged at \(Self.number(divergence)).")
    }
    if let suggestion = test.suggestion {
      lines.append("Suggested: --set training.optimizer.learningRate=\(Self.number(suggestion))")
      lines.append(
        "This is where the loss falls most steeply in the first steps, or a tenth of where it diverges."
      )
      lines.append(
        "It is a starting point: long runs often end better with a half or a third of it.")
    } else {
      lines.append(
        "The loss neither fell nor diverged: no rate can be suggested. Try more steps or a larger last "
          + "rate.")
    }
    return lines
  }

  /// Rates have two digits: a test cannot resolve more.
  private static func number(_ rate: Double) -> String { String(format: "%.1e", rate) }

  private static func spread(_ count: Int) -> [Int] {
    guard count > rows else { return Array(0..<count) }
    return (0..<rows).map { $0 * (count - 1) / (rows - 1) }
  }
}

/// What a trace says, as two tables: by kind of operation, and by layer.
struct TraceReport {
  private let trace: Trace
  private let training: TrainingConfiguration
  private let imagesPerReplay: Int

  /// The layers in the second table.
  private static var layers: Int { 25 }

  init(_ trace: Trace, _ run: RunConfiguration) {
    self.trace = trace
    training = run.training
    imagesPerReplay = run.training.imagesPerReplay(imageSize: run.data.imageSize)
  }

  /// A run whose micro-batch is written down.
  init(_ trace: Trace, _ run: some TrainedRun) {
    self.trace = trace
    training = run.training
    imagesPerReplay = run.training.microBatch
  }

  var text: String {
    [heading, byKind, byLayer, Self.legend, memory].joined(separator: "\n\n")
  }

  private var milliseconds: Double { trace.seconds / Double(trace.steps) * 1e3 }

  private var heading: String {
    "\(Display.count(trace.steps, "step")) traced: \(Display.decimals(milliseconds, 1)) ms a step, "
      + "\(Display.decimals(Double(training.batchSize) / milliseconds * 1e3, 1)) images/s; "
      + "\(Display.count(training.lanes, "lane")) in \(Display.count(trace.threads, "thread")), "
      + "\(Display.count(training.batchSize / (training.lanes * imagesPerReplay), "replay")) of "
      + "\(Display.count(imagesPerReplay, "image")) each"
      + (trace.bytesSent > 0
        ? "; \(Display.megabytes(trace.bytesSent / trace.steps)) sent a step" : "")
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

/// The most memory that this process has had at once.
enum PeakMemory {
  /// Bytes of the machine's memory.
  ///
  /// Linux's `VmHWM` is of this program alone; the `ru_maxrss` of `getrusage` may still be that of
  /// the program which started it.
  static var bytes: Int {
    if let status = try? String(contentsOfFile: "/proc/self/status", encoding: .utf8),
      let line = status.split(separator: "\n").first(where: { $0.hasPrefix("VmHWM:") }),
      let kibibytes = line.split(separator: " ").compactMap({ Int($0) }).first
    {
      return kibibytes * 1024
    }
    var usage = rusage()
    #if canImport(Darwin)
      getrusage(RUSAGE_SELF, &usage)
      return Int(usage.ru_maxrss)
    #else
      getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
      return Int(usage.ru_maxrss) * 1024
    #endif
  }
}
