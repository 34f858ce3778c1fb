import Autodiff
import CPUBackend
import Execution

/// The numbers that a graph yields on the CPU, in one call: record, plan, run, read.
///
/// - Parameters:
///   - inputs: the numbers of each input, by name; indices are given as whole numbers.
///   - graph: the record.
///   - outputs: what to read.
public func evaluate(
  _ graph: Graph, inputs: [String: [Float]], outputs: [Tensor]
) -> [[Float]] {
  let backend = CPUBackend()
  let names = outputs.indices.map { "output\($0)" }
  let plan = Plan(
    graph, outputs: Dictionary(uniqueKeysWithValues: zip(names, outputs)), on: backend)
  let parameters = ParameterMemory(plan.parameters, on: backend)
  let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
  let integers = graph.values.compactMap { value -> String? in
    guard case .input(let name) = value.role, value.type == .index else { return nil }
    return name
  }
  session.feed = { replay in
    for (name, numbers) in inputs {
      if integers.contains(name) {
        replay.write(name, numbers.map { Int32($0) })
      } else {
        replay.write(name, numbers)
      }
    }
  }
  var results = [[Float]](repeating: [], count: outputs.count)
  session.collect = { replay in
    for (index, tensor) in outputs.enumerated() {
      if tensor.type == .index {
        var words = [Int32](repeating: 0, count: tensor.shape.count)
        replay.read(names[index], intoWords: &words)
        results[index] = words.map(Float.init)
      } else {
        var words = [Float](repeating: 0, count: tensor.shape.count)
        replay.read(names[index], intoWords: &words)
        results[index] = words
      }
    }
  }
  session.run(items: 1)
  return results
}
