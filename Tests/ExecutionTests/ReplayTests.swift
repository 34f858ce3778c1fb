import Autodiff
import CPUBackend
import Execution
import TestSupport
import Testing
import Tokenizers

/// Replays and lanes: the same numbers whatever happened before and whoever computes.
struct ReplayTests {
  @Test(arguments: 0..<8)
  func aReplayIsThatOfAFreshSession(_ seed: Int) {
    let random = RandomGraph(seed: seed)
    func session() -> GraphRun {
      let run = GraphRun(random.graph, outputs: random.outputs)
      run.parameters.initialize(seed: 5)
      return run
    }
    let (used, fresh) = (session(), session())
    for name in ["p", "q", "r"] { used.run(RandomGraph.inputs(name)) }
    let (after, first) = (used.run(RandomGraph.inputs("x")), fresh.run(RandomGraph.inputs("x")))
    #expect(after == first)
    #expect(used.gradients() == fresh.gradients())
  }

  struct Outcome: Equatable {
    var gradients: [String: [Float]]
    var norm: Double
    var loss: Double
    var counts: [Double]
  }

  /// The gradients of a batch of eight images, in lanes, by threads.
  static func outcome(_ small: SmallTokenizer, lanes: Int, threads: Int) -> Outcome {
    let run = small.run(lanes: lanes, threads: threads, items: 8)
    run.parameters.initialize(seed: 3)
    run.run(items: 8) { item in
      ["images": HashedNumbers.values("image\(item)", count: small.imageCount)]
    }
    let gradients = run.gradients()
    return Outcome(
      gradients: gradients, norm: norm(gradients), loss: run.session.mean("loss"),
      counts: run.session.statistic("counts"))
  }

  private static func norm(_ gradients: [String: [Float]]) -> Double {
    gradients.sorted { $0.key < $1.key }.flatMap(\.value)
      .reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot()
  }

  @Test(arguments: SmallTokenizer.all)
  func threadsChangeNoBit(_ small: SmallTokenizer) {
    let one = Self.outcome(small, lanes: 4, threads: 1)
    #expect(one.norm > 0)
    for threads in [2, 3, 7] {
      #expect(Self.outcome(small, lanes: 4, threads: threads) == one)
    }
  }

  @Test(arguments: SmallTokenizer.all)
  func aBatchIsTheSumOfItsMicroBatches(_ small: SmallTokenizer) {
    let one = Self.outcome(small, lanes: 1, threads: 1)
    for lanes in [2, 4, 8] {
      let other = Self.outcome(small, lanes: lanes, threads: 2)
      #expect(abs(other.loss - one.loss) < 1e-9 * abs(one.loss))
      #expect(other.counts == one.counts)
      #expect(abs(other.norm - one.norm) < 1e-5 * one.norm)
      for (name, gradient) in one.gradients {
        let difference = largestDifference(gradient, other.gradients[name]!)
        #expect(Double(difference) < 1e-5 * one.norm, "\(name) in \(lanes) lanes")
      }
    }
  }

  /// A whole batch in one replay has the gradient of its images one by one.
  @Test func aReplayOfManyIsTheSumOfReplaysOfOne() {
    let graph = { (images: Int) -> GraphRun in
      let graph = Graph()
      let x = graph.input("x", [images, 3, 3, 2])
      let filter = Scope(graph)["conv"].parameter(
        "weight", [3, 3, 2, 2], .uniform(bound: 1), layout: .convolution)
      let y = x.convolved(with: filter, bias: nil, Convolution(padding: .init(all: 1)))
      let loss = (y * y).mean()
      graph.differentiate(loss, seed: Float(images) / 4)
      return GraphRun(graph, statistics: ["loss": loss])
    }
    let numbers = HashedNumbers.values("x", count: 4 * 18)
    let (whole, parts) = (graph(4), graph(1))
    for run in [whole, parts] { run.parameters.initialize(seed: 2) }
    whole.run(["x": numbers])
    parts.run(items: 4) { ["x": Array(numbers[($0 * 18)..<($0 * 18 + 18)])] }
    #expect(abs(whole.session.mean("loss") - parts.session.mean("loss")) < 1e-6)
    let (a, b) = (whole.gradients()["conv.weight"]!, parts.gradients()["conv.weight"]!)
    #expect(largestDifference(a, b) < 1e-6)
    #expect(a.contains { abs($0) > 0.01 })
  }

  /// A number that is not finite is traced to the layer where it appeared.
  @Test(arguments: SmallTokenizer.all)
  func whatIsNotFiniteIsNamed(_ small: SmallTokenizer) {
    let run = small.run(lanes: 2, threads: 2, items: 2)
    run.parameters.initialize(seed: 1)
    let good = HashedNumbers.values("image", count: small.imageCount)
    run.run(items: 2) { _ in ["images": good] }
    #expect(run.session.firstNonFinite(item: 0) == nil)
    #expect(run.session.mean("loss").isFinite)

    var bad = good
    bad[17] = .nan
    run.run(items: 2) { [bad] item in ["images": item == 1 ? bad : good] }
    #expect(!run.session.mean("loss").isFinite)
    #expect(run.session.firstNonFinite(item: 0) == nil)
    #expect(run.session.firstNonFinite(item: 1) == "convolution of encoder.conv_in")

    let index = run.parameters.layout.index(of: "decoder.conv_out.bias")!
    run.parameters.write([0, .infinity, 0], toParameter: index)
    run.run(items: 2) { _ in ["images": good] }
    #expect(run.session.firstNonFinite(item: 0) == "convolution of decoder.conv_out")
    #expect(run.parameters.firstNonFinite() == "decoder.conv_out.bias")
  }
}
