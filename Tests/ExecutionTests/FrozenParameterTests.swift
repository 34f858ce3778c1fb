import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// Parameters that are not trained: no gradient, no update, no decay.
struct FrozenParameterTests {
  private static let rules: [UpdateRule] = [
    .adamW(.init(learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.3, step: 1)),
    .adam(.init(learningRate: 0.1, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, decay: 0.3, step: 1)),
    .sgd(learningRate: 0.1, momentum: 0.9, nesterov: true, decay: 0.5),
  ]

  /// A filter that decays, a frozen factor declared between, and a bias.
  private func declare(_ graph: Graph) -> (filter: Tensor, frozen: Tensor, bias: Tensor) {
    let scope = Scope(graph)
    return (
      scope.parameter("filter", [20], .constant(2), decays: true),
      scope.parameter("frozen", [20], .constant(3), isTrained: false),
      scope.parameter("bias", [20], .constant(4))
    )
  }

  @Test func theyLieLastAndDoNotCount() {
    let graph = Graph()
    _ = declare(graph)
    let layout = ParameterLayout(graph.parameters)
    #expect(layout.offsets == [0, 64, 32])
    #expect(layout.decayedWords == 32 && layout.trainedWords == 64 && layout.words == 96)
    #expect(layout.count == 40)
  }

  @Test(arguments: 0..<3) func noUpdateMovesThem(_ rule: Int) {
    let graph = Graph()
    let (filter, frozen, bias) = declare(graph)
    let x = graph.input("x", [20])
    graph.differentiate((filter * frozen * x + frozen * frozen * bias).sum())
    let backend = CPUBackend()
    let plan = Plan(graph, on: backend)
    let parameters = ParameterMemory(plan.parameters, on: backend)
    parameters.initialize(seed: 1)
    let session = Session(plan, parameters: parameters, lanes: 2, pool: LanePool(threads: 1))
    session.feed = { $0.write("x", (0..<20).map { Float($0) - 9 }) }
    session.run(items: 4)
    let updater = Updater(session)
    // Each of four items: (3 x)^2 summed, and 9 for each bias.
    let norm = (0..<20).reduce(0.0) { sum, i in
      let slope = 4 * 3 * (Double(i) - 9)
      return sum + slope * slope + 36 * 36
    }.squareRoot()
    #expect(abs(updater.sumGradients() - norm) < 1e-3)
    updater.update(Self.rules[rule], gradientScale: 1)
    #expect(parameters.read(parameter: 1) == [Float](repeating: 3, count: 20))
    #expect(parameters.read(parameter: 1, of: .firstMoment).allSatisfy { $0 == 0 })
    #expect(parameters.read(parameter: 0).allSatisfy { $0 != 2 })
    #expect(parameters.read(parameter: 2).allSatisfy { $0 != 4 })
  }
}
