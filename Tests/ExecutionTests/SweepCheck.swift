import Autodiff
import Execution
import TestSupport

/// Compares the gradients of a whole graph with central differences, tensor by tensor along one random
/// direction each.
enum SweepCheck {
  /// The largest error against its tolerance, and where; an error above 1 is a wrong gradient.
  ///
  /// - Parameters:
  ///   - make: records the graph, anew at each call.
  ///   - spoil: changes the graph after the sweep, to see that the check finds it.
  static func worst(
    _ make: () -> SmoothGraph, spoil: (Graph) -> Void = { _ in }
  ) -> (error: Double, name: String) {
    let swept = make()
    let gradients = swept.graph.differentiate(
      swept.loss, withRespectTo: ["a", "b"].map { swept.inputs[$0]! })
    spoil(swept.graph)
    let sweep = GraphRun(swept.graph, outputs: ["a": gradients[0], "b": gradients[1]])
    sweep.parameters.initialize(seed: 1)
    let numbers = swept.numbers()
    var found = sweep.run(numbers)
    found.merge(sweep.gradients()) { $1 }

    // The forward pass of another graph, without a gradient.
    let forward = make()
    let outputs = Dictionary(
      uniqueKeysWithValues: forward.terms.enumerated().map { ("term\($0.offset)", $0.element) })
    let run = GraphRun(forward.graph, outputs: outputs)
    run.parameters.initialize(seed: 1)
    func loss(_ inputs: [String: [Float]]) -> Double {
      let values = run.run(inputs)
      return forward.terms.indices.reduce(0) { sum, index in
        zip(values["term\(index)"]!, inputs["weight\(index)"]!).reduce(sum) {
          $0 + Double($1.0) * Double($1.1)
        }
      }
    }

    var worst = (error: 0.0, name: "")
    func compare(_ name: String, _ lossAt: (Float) -> Double) {
      // A graph may be steep: then a shorter step counts, whose differences are less exact.
      let error = min(error(name, lossAt, 1.0 / 128), error(name, lossAt, 1.0 / 1024))
      if !(error <= worst.error) { worst = (error, name) }
    }
    func error(_ name: String, _ lossAt: (Float) -> Double, _ h: Float) -> Double {
      let gradient = found[name]!.map(Double.init)
      let direction = HashedNumbers.values("direction." + name, count: gradient.count)
      let analytic = zip(gradient, direction).reduce(0) { $0 + $1.0 * Double($1.1) }
      let numeric =
        (8 * (lossAt(h) - lossAt(-h)) - (lossAt(2 * h) - lossAt(-2 * h))) / (12 * Double(h))
      let length = gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let tolerance = 0.02 * max(abs(numeric), length) + 0.02
      return abs(numeric - analytic) / tolerance
    }
    func moved(_ values: [Float], _ name: String, _ step: Float) -> [Float] {
      zip(values, HashedNumbers.values("direction." + name, count: values.count))
        .map { $0 + step * $1 }
    }
    for name in ["a", "b"] {
      compare(name) { step in
        var inputs = numbers
        inputs[name] = moved(inputs[name]!, name, step)
        return loss(inputs)
      }
    }
    for (index, parameter) in run.parameters.layout.parameters.enumerated()
    where parameter.isTrained {
      let own = run.parameters.read(parameter: index)
      compare(parameter.name) { step in
        run.parameters.write(moved(own, parameter.name, step), toParameter: index)
        return loss(numbers)
      }
      run.parameters.write(own, toParameter: index)
    }
    return worst
  }

  /// The sums of a graph that a sweep could leave to a normalization's gradient, were that not the
  /// gradient of something else too, which others read.
  static func sharedSums(_ graph: Graph) -> [Int] {
    graph.nodes.indices.filter { index in
      guard graph.nodes[index].operation.name == "sum",
        norm(ofSum: index, in: graph) != nil
      else { return false }
      let shared = graph.nodes[index].inputs[1]
      return graph.nodes.indices.contains {
        $0 != index && graph.nodes[$0].inputs.contains(shared)
      }
    }
  }

  /// Spoils a graph: the normalization's gradient adds the other summand, whoever else reads it.
  ///
  /// - Returns: whether that summand is there by then.
  @discardableResult
  static func absorb(sum index: Int, in graph: Graph) -> Bool {
    let sum = graph.nodes[index]
    guard let place = norm(ofSum: index, in: graph),
      var rule = graph.nodes[place].operation as? GroupNormalizationGradient
    else { return false }
    let node = graph.nodes[place]
    rule.hasAddend = true
    graph.nodes[place] = Graph.Node(
      operation: rule, inputs: node.inputs + [sum.inputs[0]],
      outputs: node.outputs, layer: node.layer)
    let scratch = Graph()
    _ = scratch.input("x", [1]) * 1
    graph.nodes[index] = Graph.Node(
      operation: scratch.nodes[0].operation, inputs: [sum.inputs[1]], outputs: sum.outputs,
      layer: sum.layer)
    guard case .result(let maker, _) = graph.values[sum.inputs[0].index].role else { return true }
    return maker < place
  }

  private static func norm(ofSum index: Int, in graph: Graph) -> Int? {
    let inputs = graph.nodes[index].inputs
    guard inputs[0] != inputs[1],
      case .result(let place, 0) = graph.values[inputs[1].index].role,
      let rule = graph.nodes[place].operation as? GroupNormalizationGradient, !rule.hasAddend
    else { return nil }
    return place
  }
}
