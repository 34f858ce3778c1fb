import Autodiff
import Execution
import Randomness

/// Measures how long parts of a model take on a device, each by itself, on one thread.
final class LayerClock<B: Backend> {
  private let backend: B
  private var known: [String: Double] = [:]

  /// A clock on a device.
  init(on backend: B) { self.backend = backend }

  /// What a part costs, whole or at a size, with the seconds that it takes.
  func cost(_ reduction: some Reduction, size: Int?) -> LayerCost {
    var cost = size.map { reduction.cost(size: $0) } ?? reduction.wholeCost
    cost.seconds = seconds(reduction, size: size)
    return cost
  }

  /// The seconds of one pass through a part, the least of several: what disturbs only adds.
  func seconds(_ reduction: some Reduction, size: Int?) -> Double {
    let graph = Graph()
    let input = graph.input("x", reduction.input)
    let output = reduction.record(size: size, input, in: Scope(graph))
    // Layers of the same shapes take the same time.
    let key = graph.nodes.map { node in
      "\(node.operation)" + node.inputs.map { "\(graph.values[$0.index].shape)" }.joined()
    }.joined(separator: ";")
    if let seconds = known[key] { return seconds }
    let parameters = ParameterMemory(ParameterLayout(graph.parameters), on: backend)
    parameters.initialize(seed: 0)
    let plan = Plan(graph, outputs: ["y": output], on: backend)
    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    var random = Generator(seed: 1)
    let numbers = (0..<reduction.input.count).map { _ in random.normal() }
    session.feed = { replay in
      numbers.withUnsafeBufferPointer { replay.write("x", $0.baseAddress!) }
    }
    let clock = ContinuousClock()
    session.run(items: 1)
    var (least, total, rounds) = (Double.infinity, 0.0, 0)
    while rounds < 3 || (total < 0.02 && rounds < 50) {
      let seconds = clock.measure { session.run(items: 1) } / .seconds(1)
      (least, total, rounds) = (min(least, seconds), total + seconds, rounds + 1)
    }
    known[key] = least
    return least
  }
}
