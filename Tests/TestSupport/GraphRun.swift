import Autodiff
import CPUBackend
import Execution

/// A recorded graph on the CPU: set its parameters, feed it, read what it yields and its gradients.
public final class GraphRun {
  /// The program.
  public let plan: Plan
  /// The weights.
  public let parameters: ParameterMemory<CPUBackend>
  /// The replays.
  public let session: Session<CPUBackend>

  private let updater: Updater<CPUBackend>
  private let outputs: [String: Tensor]

  /// Plans a graph, all its parameters zero.
  public init(
    _ graph: Graph, outputs: [String: Tensor] = [:], statistics: [String: Tensor] = [:],
    lanes: Int = 1, threads: Int = 1
  ) {
    let backend = CPUBackend()
    self.outputs = outputs
    plan = Plan(graph, outputs: outputs, statistics: statistics, on: backend)
    parameters = ParameterMemory(plan.parameters, on: backend)
    session = Session(
      plan, parameters: parameters, lanes: lanes, pool: LanePool(threads: threads))
    updater = Updater(session)
  }

  /// Sets a parameter, given in the order of a checkpoint.
  public func set(_ name: String, _ numbers: [Float]) {
    parameters.write(numbers, toParameter: parameters.layout.index(of: name)!)
  }

  /// Replays some items and reads the outputs of the last; indices come as whole numbers.
  ///
  /// - Parameter inOrder: whether items are dealt to lanes in turn, or as lanes are free.
  @discardableResult
  public func run(
    items: Int = 1, inOrder: Bool = true, _ inputs: @escaping (_ item: Int) -> [String: [Float]]
  ) -> [String: [Float]] {
    let names = plan.inputs
    session.feed = { replay in
      for (name, numbers) in inputs(replay.item) {
        if names[name]?.type == .index {
          replay.write(name, numbers.map { Int32($0) })
        } else {
          replay.write(name, numbers)
        }
      }
    }
    nonisolated(unsafe) var results: [String: [Float]] = [:]
    session.collect = { [outputs] replay in
      guard replay.item == items - 1 else { return }
      for (name, tensor) in outputs {
        let count = tensor.shape.count
        if tensor.type == .index {
          var words = [Int32](repeating: 0, count: count)
          replay.read(name, intoWords: &words)
          results[name] = words.map(Float.init)
        } else {
          var words = [Float](repeating: 0, count: count)
          replay.read(name, intoWords: &words)
          results[name] = words
        }
      }
    }
    if inOrder { session.run(items: items) } else { session.runUnordered(items: items) }
    return results
  }

  /// Replays one item.
  @discardableResult
  public func run(_ inputs: [String: [Float]]) -> [String: [Float]] {
    run(items: 1) { _ in inputs }
  }

  /// The gradients of the last run by parameter, in the order of a checkpoint.
  ///
  /// A step of SGD with momentum and no step size leaves them, exactly, in the first moment.
  public func gradients() -> [String: [Float]] {
    for index in parameters.layout.parameters.indices {
      let zeros = [Float](repeating: 0, count: parameters.layout.parameters[index].shape.count)
      parameters.write(zeros, toParameter: index, of: .firstMoment)
    }
    _ = updater.sumGradients()
    updater.update(
      .sgd(learningRate: 0, momentum: 0.5, nesterov: false, decay: 0), gradientScale: 1)
    return Dictionary(
      uniqueKeysWithValues: parameters.layout.parameters.enumerated().map { index, parameter in
        (parameter.name, parameters.read(parameter: index, of: .firstMoment))
      })
  }
}
