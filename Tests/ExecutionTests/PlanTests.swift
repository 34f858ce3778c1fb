import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing

/// Plans: memory is shared, and nobody notices.
struct PlanTests {
  @Test(arguments: 0..<400)
  func noValueIsOverwrittenWhileItIsNeeded(_ seed: Int) {
    let random = RandomGraph(seed: seed)
    let plan = GraphRun(random.graph, outputs: random.outputs).plan
    let checker = MemoryChecker.check(random.graph, plan, results: random.outputs)
    #expect(checker.complaints.isEmpty, "\(checker.complaints.prefix(3))")
    #expect(plan.arenaWords < plan.wordsWithoutSharing)
    #expect(checker.overwritten > 0, "no operation works in place")
  }

  /// The checker itself: a plan that lets one value lie on another is caught.
  @Test func aPlantedOverlapIsCaught() {
    let graph = Graph()
    let a = graph.input("a", [64])
    let b = silu(a)
    let outputs = ["sum": a + b, "product": a * b]
    let plan = GraphRun(graph, outputs: outputs).plan
    #expect(MemoryChecker.check(graph, plan, results: outputs).complaints.isEmpty)
    // The same operations with other lives: `a` is no longer needed at the end, so that the
    // last operation may write over it, which the first graph's values do not allow.
    let other = Graph()
    let c = other.input("a", [64])
    let d = silu(c)
    let swapped = ["sum": c + d, "product": d * d]
    let wrong = GraphRun(other, outputs: swapped).plan
    #expect(!MemoryChecker.check(graph, wrong, results: outputs).complaints.isEmpty)
  }

  /// With every value kept nothing can share memory, and the numbers are the same bit for bit.
  @Test(arguments: 0..<12)
  func sharingMemoryChangesNoBit(_ seed: Int) {
    let random = RandomGraph(seed: seed)
    var everything = random.outputs
    for (index, tensor) in random.all.enumerated() { everything["all\(index)"] = tensor }
    let shared = GraphRun(random.graph, outputs: random.outputs)
    let apart = GraphRun(random.graph, outputs: everything)
    shared.parameters.initialize(seed: 1)
    apart.parameters.initialize(seed: 1)
    let (first, second) = (
      shared.run(RandomGraph.inputs("x")), apart.run(RandomGraph.inputs("x"))
    )
    for name in random.outputs.keys { #expect(first[name] == second[name]) }
    #expect(shared.gradients() == apart.gradients())
    #expect(first["loss"]![0].isFinite)
  }

  /// Offsets are words, megabytes are 10^6 bytes of 4-byte words.
  @Test func aPlanReadsAsATable() {
    let graph = Graph()
    let scope = Scope(graph)
    let x = graph.input("x", [4, 32, 32, 16])
    let filter = scope["conv"].parameter("weight", [1, 1, 16, 16], .constant(0), decays: true)
    let codebook = scope["quantizer"].parameter("codebook", [5000, 16], .constant(0))
    let y = silu(x.convolved(with: filter, bias: nil, Convolution()))
    let indices = y.nearestCodes(in: codebook)
    graph.differentiate(meanSquaredError(codebook.gathered(at: indices), x))
    let plan = Plan(graph, outputs: ["indices": indices]) { _, _, _ in 0 }
    #expect(
      plan.description == """
        Once an update, shared by all lanes:
              offset       MB  operation, shape, layer
                   0     0.02  squared norms [5000]  quantizer
        For each micro-batch, in each lane:
              offset       MB  operation, shape, layer
               65536     0.26  convolution [4, 32, 32, 16]  conv
               65536     0.26  silu [4, 32, 32, 16]  conv
              196608     0.02  nearest code [4, 32, 32]  quantizer
               65536     0.26  gathering [4, 32, 32, 16]  quantizer
              200704     0.00  seed []  input
              131072     0.26  pointwise loss gradient [4, 32, 32, 16]  quantizer
            gradient     0.32  scatter addition [5000, 16]  quantizer
        7 instructions; arena 0.80 MB a lane (1.07 MB if nothing shared memory); 80256 parameters, \
        0.32 MB; shared 0.02 MB
        """)
  }

  /// What nothing needs is not executed; what depends on parameters alone is executed once.
  @Test func onlyWhatIsNeededIsPlanned() {
    let graph = Graph()
    let x = graph.input("x", [8])
    let p = Scope(graph).parameter("p", [8], .constant(2))
    _ = silu(x)
    let doubled = p * 2
    let y = x * doubled
    let plan = Plan(graph, outputs: ["y": y]) { _, _, _ in 0 }
    #expect(plan.preparation.map(\.operation.name) == ["scaling"])
    #expect(plan.instructions.map(\.operation.name) == ["product"])
    #expect(!plan.hasGradients)

    let run = GraphRun(graph, outputs: ["y": y])
    run.set("p", Array(repeating: 3, count: 8))
    let numbers: [Float] = [1, 2, 3, 4, 5, 6, 7, 8]
    #expect(run.run(["x": numbers])["y"] == numbers.map { $0 * 6 })
    // A change of the parameters is noticed.
    run.set("p", Array(repeating: -1, count: 8))
    #expect(run.run(["x": numbers])["y"] == numbers.map { $0 * -2 })
  }

  /// What depends on parameters alone is computed before all replays, and each may read all of it: a value
  /// that another of its kind was computed from too, and one behind a view.
  @Test func whatIsSharedStaysForAllReplays() {
    let graph = Graph()
    let p = Scope(graph).parameter("p", [2, 2], .constant(0))
    let x = graph.input("x", [4])
    let double = (p * 2).reshaped([4])
    let square = double * double
    let other = (square + 1).reshaped([2, 2]) * 3
    let y = x * double + x * x * square + x * x * x * other.reshaped([4])
    graph.differentiate(y.sum())
    let run = GraphRun(graph, outputs: ["y": y])
    run.set("p", [1, 2, 3, 4])
    let found = run.run(items: 3) { item in ["x": [1, 2, 3, Float(item)]] }
    // d = 2 p, y = d x + d^2 x^2 + 3 (d^2 + 1) x^3, dy/dp = 2 x + 4 d x^2 + 12 d x^3
    let (d, x2) = ([2, 4, 6, 8] as [Float], [1, 2, 3, 2] as [Float])
    #expect(
      found["y"]
        == zip(d, x2).map { $0 * $1 + $0 * $0 * $1 * $1 + 3 * ($0 * $0 + 1) * $1 * $1 * $1 })
    let sums = (0..<4).map { place in
      (0..<3).reduce(Float(0)) { sum, item in
        let x = place == 3 ? Float(item) : x2[place]
        return sum + 2 * x + 4 * d[place] * x * x + 12 * d[place] * x * x * x
      }
    }
    #expect(run.gradients() == ["p": sums])
  }

  /// A statistic may depend on parameters alone, and lie in the memory that lanes share.
  @Test func statisticsOfParameters() {
    let graph = Graph()
    let x = graph.input("x", [2])
    let p = Scope(graph).parameter("p", [2], .constant(0))
    let run = GraphRun(
      graph, statistics: ["parameter": p, "shared": p * 10, "arena": x * p], lanes: 2)
    run.set("p", [3, 4])
    run.run(items: 3) { ["x": [Float($0), 1]] }
    #expect(run.session.statistic("parameter") == [9, 12])
    #expect(run.session.statistic("shared") == [90, 120])
    #expect(run.session.statistic("arena") == [9, 12])
  }
}
