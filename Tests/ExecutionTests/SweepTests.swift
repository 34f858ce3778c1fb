import Autodiff
import Execution
import Foundation
import TestSupport
import Testing

/// The reverse sweep over graphs that share their values.
struct SweepTests {
  /// Seeds to check; more by TESSERA_SWEEP_SEEDS.
  static let seeds = Int(ProcessInfo.processInfo.environment["TESSERA_SWEEP_SEEDS"] ?? "") ?? 400

  @Test func randomGraphsHaveTheGradientsOfCentralDifferences() {
    var (worst, shared) = (0.0, 0)
    for seed in 0..<Self.seeds {
      let result = SweepCheck.worst { SmoothGraph(seed: seed) }
      #expect(result.error < 1, "seed \(seed): \(result.name) is off by \(result.error)")
      worst = max(worst, result.error)
      let graph = SmoothGraph(seed: seed)
      graph.graph.differentiate(graph.loss)
      shared += SweepCheck.sharedSums(graph.graph).isEmpty ? 0 : 1
    }
    // The seeds do meet what this is about: a normalization's gradient that two values share.
    #expect(shared >= Self.seeds / 20, "\(shared) of \(Self.seeds) graphs share such a gradient")
    print("sweep: \(Self.seeds) graphs, \(shared) of them share; worst error \(worst)")
  }

  /// The check itself: a sweep that adds to a gradient which is somebody else's too is found out.
  @Test func aPlantedAbsorptionIsCaught() {
    var (planted, caught) = (0, 0)
    for seed in 0..<400 {
      let probe = SmoothGraph(seed: seed)
      probe.graph.differentiate(probe.loss, withRespectTo: ["a", "b"].map { probe.inputs[$0]! })
      guard let sum = SweepCheck.sharedSums(probe.graph).first,
        SweepCheck.absorb(sum: sum, in: probe.graph)
      else { continue }
      planted += 1
      let result = SweepCheck.worst({ SmoothGraph(seed: seed) }) {
        SweepCheck.absorb(sum: sum, in: $0)
      }
      caught += result.error > 1 ? 1 : 0
    }
    // Where what leaks is small, or goes to a value that nothing needs, no check can see it.
    #expect(planted >= 30 && caught * 20 >= planted * 19, "\(caught) of \(planted) caught")
  }

  /// `y = conv(a) + a` feeds a normalization alone, and `a` a loss recorded after it: what came to `a`
  /// from there must not reach the filter behind `conv(a)`.
  @Test func aSkipAroundANormalizationKeepsGradientsApart() {
    func gradients(isPlain: Bool) -> [String: [Float]] {
      let graph = Graph()
      let scope = Scope(graph)
      let shape: Shape = [1, 4, 4, 8]
      func filter(_ name: String) -> Tensor {
        scope[name].parameter("weight", [1, 1, 8, 8], .uniform(bound: 0.5))
      }
      let a = graph.input("x", shape).convolved(with: filter("f0"), bias: nil, Convolution())
      let c = a.convolved(with: filter("f1"), bias: nil, Convolution())
      let y = isPlain ? c + a : c * 1 + a * 1
      let scale = scope["norm"].parameter("weight", [8], .uniform(bound: 1))
      let shift = scope["norm"].parameter("bias", [8], .uniform(bound: 1))
      let z = y.groupNormalized(groups: 2, scale: scale, shift: shift, epsilon: 1e-6)
      let loss =
        (z * graph.input("w1", shape)).sum() + (silu(a) * graph.input("w2", shape)).sum()
      graph.differentiate(loss)
      let run = GraphRun(graph)
      run.parameters.initialize(seed: 4)
      run.run(
        Dictionary(
          uniqueKeysWithValues: ["x", "w1", "w2"].map {
            ($0, HashedNumbers.values($0, count: shape.count))
          }))
      return run.gradients()
    }
    let (plain, apart) = (gradients(isPlain: true), gradients(isPlain: false))
    for (name, gradient) in plain {
      #expect(largestDifference(gradient, apart[name]!) < 1e-4, "\(name)")
    }
    #expect(plain["f1.weight"]!.contains { abs($0) > 1 })
  }

  /// The same with the other consumer recorded between sum and normalization.
  @Test func aConsumerBetweenSumAndNormalizationIsPlanned() {
    let (graph, loss) = Self.consumerBetween()
    let run = GraphRun(graph, outputs: ["loss": loss])
    run.parameters.initialize(seed: 1)
    #expect(run.run(["x": HashedNumbers.values("x", count: 128)])["loss"]![0].isFinite)
  }

  /// A graph whose operations are out of order is refused by name.
  @Test func anOrderThatCannotBePlannedIsTold() async {
    let result = await #expect(
      processExitsWith: .failure, observing: [\.standardErrorContent]
    ) {
      let (graph, loss) = SweepTests.consumerBetween()
      for sum in SweepCheck.sharedSums(graph) { SweepCheck.absorb(sum: sum, in: graph) }
      _ = Plan(graph, outputs: ["loss": loss]) { _, _, _ in 0 }
    }
    let text = String(decoding: result?.standardErrorContent ?? [], as: UTF8.self)
    #expect(text.contains("n: group normalization gradient (node"), "\(text)")
    #expect(text.contains("yields after it"), "\(text)")
  }

  private static func consumerBetween() -> (graph: Graph, loss: Tensor) {
    let graph = Graph()
    let scope = Scope(graph)
    let filter = scope["f"].parameter("weight", [1, 1, 8, 8], .uniform(bound: 0.5))
    let a = graph.input("x", [1, 4, 4, 8]).convolved(with: filter, bias: nil, Convolution())
    let y = silu(a) + a
    let other = (silu(a) * 2).sum()
    let z = y.groupNormalized(
      groups: 2, scale: scope["n"].parameter("weight", [8], .constant(1)),
      shift: scope["n"].parameter("bias", [8], .constant(0)), epsilon: 1e-6)
    let loss = (z * z).sum() + other
    graph.differentiate(loss)
    return (graph, loss)
  }
}
