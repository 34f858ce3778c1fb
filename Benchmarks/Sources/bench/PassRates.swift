import Autodiff
import CPUBackend
import Execution
import Foundation
import Reports

/// What is a pass over memory: the bytes of its inputs and outputs a second, one thread.
struct PassRates: Codable {
  /// The kind of operation.
  let kind: String
  /// GB/s on values of 1 MB, which the second-level cache holds.
  var small = 0.0
  /// GB/s on values of 32 MB, which it does not.
  var large = 0.0

  private static let copying = "(memcpy)"

  /// Measures every pass of a training step, and copying memory beside them.
  static func measure() -> [PassRates] {
    var rates: [String: PassRates] = [:]
    for (shape, path) in [
      (Shape([8, 32, 32, 32]), \PassRates.small), (Shape([8, 128, 128, 64]), \PassRates.large),
    ] {
      say("passes over \(shape)")
      for (kind, rate) in rate(shape) {
        rates[kind, default: PassRates(kind: kind)][keyPath: path] = rate
      }
    }
    return rates.values.sorted { $0.kind < $1.kind }
  }

  private static func rate(_ shape: Shape) -> [(kind: String, gigabytes: Double)] {
    var rates: [(kind: String, gigabytes: Double)] = []
    for row in graphs(shape).flatMap({ TracedGraph($0).rows() })
    where row.cost.operations == 0 && row.cost.bytes > shape.count {
      rates.append((row.name, Double(row.cost.bytes) / row.seconds / 1e9))
    }
    let source = randomNumbers(shape.count)
    var target = source
    let seconds = medianSeconds {
      target.withUnsafeMutableBytes { target in
        source.withUnsafeBytes { _ = memcpy(target.baseAddress!, $0.baseAddress!, $0.count) }
      }
    }
    rates.append((copying, Double(2 * 4 * shape.count) / seconds / 1e9))
    rates.append(("(optimizer, AdamW)", optimizerRate(parameters: shape.count)))
    return rates
  }

  /// Graphs that have the passes of a step, each with its gradient.
  private static func graphs(_ shape: Shape) -> [Graph] {
    func graph(_ body: (_ x: Tensor, Scope) -> Tensor) -> Graph {
      let graph = Graph()
      let scope = Scope(graph)
      let x = graph.input("x", shape) + scope.parameter("p", shape, .constant(0))
      let y = body(x, scope)
      graph.differentiate(meanSquaredError(y, graph.input("t", y.shape)))
      return graph
    }
    func normalized(_ activation: GroupNormalization.Fused) -> Graph {
      graph { x, scope in
        x.groupNormalized(
          groups: 32, scale: scope.parameter("scale", [shape.channels], .constant(1)),
          shift: scope.parameter("shift", [shape.channels], .constant(0)), epsilon: 1e-6,
          activation: activation)
      }
    }
    return [
      normalized(.silu), normalized(.identity),
      graph { x, _ in silu(x) + x },
      graph { x, _ in x.softmax() },
      graph { x, _ in x.upsampled(by: 2) },
    ]
  }

  /// Bytes that AdamW moves a second: it reads four numbers a parameter and writes three.
  private static func optimizerRate(parameters count: Int) -> Double {
    let graph = Graph()
    let p = Scope(graph).parameter("p", [count], .constant(1))
    graph.differentiate(meanSquaredError(p + graph.input("x", [count]), graph.input("t", [count])))
    let backend = Device()
    let plan = Plan(graph, on: backend)
    let memory = ParameterMemory(plan.parameters, on: backend)
    memory.initialize(seed: 0)
    let session = Session(plan, parameters: memory, lanes: 1, pool: LanePool(threads: 1))
    session.run(items: 1)
    let updater = Updater(session)
    var step = 0
    let seconds = medianSeconds {
      step += 1
      updater.update(
        .adamW(
          .init(
            learningRate: 1e-4, beta1: 0.9, beta2: 0.999, epsilon: 1e-8, decay: 0, step: step)),
        gradientScale: 1)
    }
    return Double(7 * 4 * count) / seconds / 1e9
  }

  /// The rates as Markdown.
  static func table(_ rates: [PassRates]) -> String {
    var table = MarkdownTable(["pass", "1 MB", "32 MB"])
    for rate in rates {
      table.add([rate.kind, Cell.decimals(rate.small, 1), Cell.decimals(rate.large, 1)])
    }
    return table.text
      + "\n\nOne thread. GB/s of inputs read and outputs written, for values of two sizes."
  }
}
