import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// Filters that are kept in another form: the same bits, as long as they stay and after they changed.
struct PreparedFormTests {
  /// Two uses of one filter at different sizes, a strided and a pointwise one, and one too large to keep.
  private static func graph() -> (Graph, Tensor) {
    let graph = Graph()
    let scope = Scope(graph)
    func filter(_ name: String, _ shape: Shape) -> Tensor {
      scope.parameter(name, shape, .constant(0))
    }
    let same = Convolution(padding: .init(all: 1))
    let image = graph.input("image", [2, 12, 12, 16])
    let twice = filter("twice", [3, 3, 16, 16])
    let large = image.convolved(with: twice, bias: filter("bias", [16]), same)
    let small = large.convolved(
      with: filter("strided", [3, 3, 16, 16]), bias: nil,
      Convolution(stride: 2, padding: .init(all: 1)))
    let again = small.convolved(with: twice, bias: nil, same)
    let wide = again.convolved(with: filter("wide", [1, 1, 16, 144]), bias: nil, Convolution())
    return (graph, wide.convolved(with: filter("huge", [3, 3, 144, 144]), bias: nil, same))
  }

  private static func run(
    keepsForms: Bool, writing rounds: [Int]
  ) -> (plan: Plan, results: [[Float]]) {
    let (graph, output) = graph()
    let backend = CPUBackend()
    let plan = Plan(graph, outputs: ["y": output], on: backend, keepsForms: keepsForms)
    let parameters = ParameterMemory(plan.parameters, on: backend)
    let session = Session(plan, parameters: parameters, lanes: 1, pool: LanePool(threads: 1))
    let image = HashedNumbers.values("image", count: 2 * 12 * 12 * 16)
    session.feed = { $0.write("image", image) }
    nonisolated(unsafe) var y = [Float](repeating: 0, count: output.shape.count)
    session.collect = { $0.read("y", intoWords: &y) }
    let results = rounds.map { round in
      for (index, parameter) in plan.parameters.parameters.enumerated() {
        parameters.write(
          HashedNumbers.values("\(parameter.name) \(round)", count: parameter.shape.count),
          toParameter: index)
      }
      session.run(items: 1)
      return y
    }
    return (plan, results)
  }

  @Test func resultsAreThoseOfThePlainPlan() {
    let (kept, found) = Self.run(keepsForms: true, writing: [1, 2, 2, 1])
    let (plain, expected) = Self.run(keepsForms: false, writing: [1, 2, 2, 1])
    #expect(found == expected)
    #expect(found[0] != found[1] && found[0].contains(where: { $0 != 0 }))
    // One for each use but the last, as the size of the image is a part of the form.
    #expect(kept.preparation.count == 4 && plain.preparation.isEmpty)
    #expect(kept.instructions.map(\.kind) == plain.instructions.map(\.kind))
    #expect(kept.instructions.map(\.cost.operations) == plain.instructions.map(\.cost.operations))
    #expect(kept.sharedWords > 0 && kept.arenaWords == plain.arenaWords)
  }
}
