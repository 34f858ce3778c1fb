import Autodiff
import Execution
import Foundation
import Priors
import TestSupport
import Testing

/// A prior with positions along the sequence is transformers' Llama, tensor by tensor.
struct LlamaTests {
  /// The same weights give the same logits; see `Tests/Golden/golden_llama.py`.
  @Test func logitsAreThoseOfTransformers() throws {
    let golden = try GoldenFile("llama")
    let (entries, expected) = (try golden.numbers("entries"), try golden.numbers("logits"))
    let space = TokenSpace(codes: 11, depth: 1, rows: 3, columns: 4, classes: 3)
    let shape = TransformerConfiguration(width: 24, layers: 2, heads: 2, positions: .rope)
    let graph = Graph()
    let prior = Prior(PriorConfiguration(transformer: shape), space, in: Scope(graph))
    let known = prior.next(
      entries: graph.input("entries", [1, 1], type: .index),
      weights: graph.input("weights", [1, 1, 1]),
      position: graph.input("position", [1], type: .index))
    let run = GraphRun(graph, outputs: ["logits": prior.logits(known, before: nil, level: 0)])
    for parameter in run.parameters.layout.parameters {
      let numbers = HashedNumbers.values(parameter.name, count: parameter.shape.count)
      let isScale = parameter.name.contains("norm")
      run.set(parameter.name, isScale ? numbers.map { 1 + $0 / 4 } : numbers)
    }
    #expect(entries.count == space.ids && expected.count == space.ids * space.vocabulary)
    for (place, entry) in entries.enumerated() {
      let logits = run.run { _ in
        ["entries": [entry], "weights": [1], "position": [Float(place)]]
      }["logits"]!
      for id in 0..<space.codes {
        let error = abs(logits[id] - expected[place * space.vocabulary + id])
        #expect(error < 1e-4, "place \(place), id \(id): off by \(error)")
      }
    }
  }
}
