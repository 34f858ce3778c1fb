import Autodiff
import Execution
import Foundation
import TestSupport
import Testing

/// Memory that lasts from replay to replay.
struct StateTests {
  /// Attention with a cache, place by place, is causal attention of the whole sequence; and begins anew
  /// where the places do, whatever the cache held.
  @Test(arguments: [(channels: 12, heads: 3, places: 5), (34, 2, 70), (16, 1, 33), (1, 1, 1)])
  func stepsOfAttentionAreCausalAttention(_ size: (channels: Int, heads: Int, places: Int)) {
    let (channels, heads, places) = size
    let batch = 3
    let shape: Shape = [batch, places, channels]
    let graph = Graph()
    let (q, k, v) = (
      graph.input("q", shape), graph.input("k", shape), graph.input("v", shape)
    )
    let whole = GraphRun(
      graph, outputs: ["y": q.attending(key: k, value: v, heads: heads, isCausal: true)])
    let stepGraph = Graph()
    let row: Shape = [batch, channels]
    let next = stepGraph.input("q", row).attendingNext(
      key: stepGraph.input("k", row), value: stepGraph.input("v", row),
      position: stepGraph.input("position", [1], type: .index), places: places, heads: heads,
      cache: "cache")
    let step = GraphRun(stepGraph, outputs: ["y": next])
    #expect(step.plan.hasStates && !whole.plan.hasStates)

    for seed in ["a", "b"] {
      let numbers = Dictionary(
        uniqueKeysWithValues: ["q", "k", "v"].map {
          ($0, HashedNumbers.values($0 + seed, count: shape.count, amplitude: 2))
        })
      let expected = whole.run { _ in numbers }["y"]!
      for place in 0..<places {
        var row = numbers.mapValues { all in
          (0..<batch).flatMap { n -> [Float] in
            let first = (n * places + place) * channels
            return Array(all[first..<first + channels])
          }
        }
        row["position"] = [Float(place)]
        let inputs = row
        let found = step.run { _ in inputs }["y"]!
        for n in 0..<batch {
          for c in 0..<channels {
            let a: Float = found[n * channels + c]
            let b: Float = expected[(n * places + place) * channels + c]
            #expect(abs(a - b) < 2e-6, "place \(place) of \(n), channel \(c): \(a), not \(b)")
          }
        }
      }
    }
  }

  /// What shares an arena with others cannot keep anything in it: a state has memory of its own.
  @Test func aStateIsNobodyElsesMemory() {
    let graph = Graph()
    let row: Shape = [1, 4]
    let position = graph.input("position", [1], type: .index)
    var x = graph.input("x", row)
    for layer in 0..<3 {
      x = x.attendingNext(
        key: x * 0.5, value: x + x, position: position, places: 8, heads: 1, cache: "\(layer)")
    }
    let run = GraphRun(graph, outputs: ["y": x])
    func sequence() -> [[Float]] {
      (0..<8).map { place in
        run.run { _ in
          ["x": HashedNumbers.values("x\(place)", count: 4), "position": [Float(place)]]
        }["y"]!
      }
    }
    #expect(sequence() == sequence())
  }
}
