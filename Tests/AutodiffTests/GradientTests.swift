import Autodiff
import Execution
import TestSupport
import Testing

/// The reverse sweep: where gradients go, how they add up, what gets none.
struct GradientTests {
  private let x: [Float] = [1, 2, 3]

  private func parameter(_ graph: Graph, _ name: String = "p") -> Tensor {
    Scope(graph).parameter(name, [3], .constant(0))
  }

  /// A product cannot add to gradient memory by itself: an accumulation follows.
  @Test func operationsThatCannotAddAreFollowedByAnAccumulation() {
    let graph = Graph()
    let p = parameter(graph)
    graph.differentiate((p * graph.input("x", [3])).sum())
    #expect(graph.nodes.last?.operation.name == "accumulation")
    let run = GraphRun(graph)
    run.set("p", [5, 5, 5])
    run.run(["x": x])
    #expect(run.gradients()["p"] == [1, 2, 3])
  }

  /// A filter's gradient adds to gradient memory directly.
  @Test func operationsThatCanAddDoSo() {
    let graph = Graph()
    let filter = Scope(graph).parameter("filter", [1, 1, 2, 1], .constant(1))
    let y = graph.input("x", [1, 1, 2, 2]).convolved(with: filter, bias: nil, Convolution())
    graph.differentiate(y.sum())
    #expect(!graph.nodes.contains { $0.operation.name == "accumulation" })
    let run = GraphRun(graph)
    // Over three replays the gradients sum up.
    run.run(items: 3) { _ in ["x": [1, 2, 3, 4]] }
    #expect(run.gradients()["filter"] == [12, 18])
    // The next run begins anew.
    run.run(items: 1) { _ in ["x": [1, 2, 3, 4]] }
    #expect(run.gradients()["filter"] == [4, 6])
  }

  @Test func usesOfAParameterSumUp() {
    let graph = Graph()
    let p = parameter(graph)
    let x = graph.input("x", [3])
    // d/dp (p x + p^2 + p - 4 p) = x + 2 p - 3
    graph.differentiate((p * x + p * p + p - p * 4).sum())
    let run = GraphRun(graph)
    run.set("p", [10, 20, 30])
    run.run(["x": self.x])
    #expect(run.gradients()["p"] == [18, 39, 60])
  }

  @Test func usesOfAValueSumUp() {
    let graph = Graph()
    let x = graph.input("x", [3])
    let y = x * 2
    // d/dx (y + y x) = 2 + 4 x; d/dy = 1 + x
    let gradients = graph.differentiate((y + y * x).sum(), withRespectTo: [x, y])
    let results = GraphRun(graph, outputs: ["dx": gradients[0], "dy": gradients[1]]).run([
      "x": self.x
    ])
    #expect(results["dx"] == [6, 10, 14])
    #expect(results["dy"] == [2, 3, 4])
  }

  @Test func whatTheLossDoesNotDependOnGetsZero() {
    let graph = Graph()
    let (used, unused) = (parameter(graph, "used"), parameter(graph, "unused"))
    let (x, other) = (graph.input("x", [3]), graph.input("other", [3]))
    _ = unused * other
    let gradient = graph.differentiate((used * x).sum(), withRespectTo: [other])[0]
    let run = GraphRun(graph, outputs: ["gradient": gradient])
    let results = run.run(["x": self.x])
    #expect(results["gradient"] == [0, 0, 0])
    #expect(run.gradients() == ["used": [1, 2, 3], "unused": [0, 0, 0]])
  }

  /// A stopped gradient plans nothing of the way behind it.
  @Test func nothingIsComputedBehindAStoppedGradient() {
    let graph = Graph()
    let p = parameter(graph)
    let x = graph.input("x", [3])
    graph.differentiate((silu(p * x).stoppingGradient() * x).sum())
    #expect(!graph.nodes.contains { $0.operation.name == "silu gradient" })
    #expect(!GraphRun(graph).plan.hasGradients)
  }

  @Test func theSeedScalesEveryGradient() {
    let graph = Graph()
    let p = parameter(graph)
    let x = graph.input("x", [3])
    let dx = graph.differentiate((p * x).sum(), seed: 0.25, withRespectTo: [x])[0]
    let run = GraphRun(graph, outputs: ["dx": dx])
    run.set("p", [4, 8, 12])
    #expect(run.run(["x": self.x])["dx"] == [1, 2, 3])
    #expect(run.gradients()["p"] == [0.25, 0.5, 0.75])
  }

  /// Gradient operations belong to the layer that they differentiate.
  @Test func gradientsCarryTheNameOfTheirLayer() {
    let graph = Graph()
    let scope = Scope(graph)
    let first = scope["first"].parameter("weight", [1, 1, 2, 2], .constant(1))
    let second = scope["second"].parameter("weight", [1, 1, 2, 2], .constant(1))
    let x = graph.input("x", [1, 2, 2, 2])
    let y = silu(x.convolved(with: first, bias: nil, Convolution()))
    graph.differentiate(y.convolved(with: second, bias: nil, Convolution()).sum())
    let layers = graph.nodes.filter { $0.operation.name.hasPrefix("convolution") }.map(\.layer)
    #expect(layers == ["first", "second", "second", "second", "first"])
  }

  /// Views cost nothing: no instruction, no memory.
  @Test func viewsAreNotExecuted() {
    let graph = Graph()
    let x = graph.input("x", [3])
    let y = x.reshaped([1, 3]).stoppingGradient().reshaped([3]).straightThrough(to: x * 2)
    let plan = GraphRun(graph, outputs: ["y": y]).plan
    #expect(plan.instructions.map(\.operation.name) == ["scaling"])
  }
}
