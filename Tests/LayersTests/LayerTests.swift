import Autodiff
import Execution
import Foundation
import Layers
import TestSupport
import Testing

/// Layers of sequences against their definitions, gradients included.
struct LayerTests {
  /// Attention by its definition: for each head and place, a softmax over the places it attends to.
  private static func attention(
    _ q: DoubleTensor, _ k: DoubleTensor, _ v: DoubleTensor, heads: Int, isCausal: Bool
  ) -> DoubleTensor {
    let (n, t, s, d) = (q.shape[0], q.shape[1], k.shape[1], q.shape[2] / heads)
    var y = DoubleTensor(zeros: q.shape)
    for item in 0..<n {
      for head in 0..<heads {
        for row in 0..<t {
          let weights = (0..<(isCausal ? row + 1 : s)).map { column in
            let product = (0..<d).reduce(0) {
              $0 + q[item, row, head * d + $1] * k[item, column, head * d + $1]
            }
            return exp(product / sqrt(Double(d)))
          }
          for channel in head * d..<(head + 1) * d {
            y[item, row, channel] =
              weights.indices.reduce(0) { $0 + weights[$1] * v[item, $1, channel] }
              / weights.reduce(0, +)
          }
        }
      }
    }
    return y
  }

  static let attentions: [OperationCase] = [
    (heads: 1, places: 5, others: 3, isCausal: false), (1, 4, 4, true), (3, 5, 2, false),
    (3, 5, 5, true), (6, 1, 1, true), (2, 1, 7, false),
  ].map { heads, places, others, isCausal in
    OperationCase(
      "attention of \(places) to \(others), \(heads) heads\(isCausal ? ", causal" : "")",
      [
        .numbers([2, places, 6], "q", amplitude: 2), .numbers([2, others, 6], "k", amplitude: 2),
        .numbers([2, others, 6], "v"),
      ],
      build: {
        Layers.attention(query: $0[0], key: $0[1], value: $0[2], heads: heads, isCausal: isCausal)
      },
      reference: { attention($0[0], $0[1], $0[2], heads: heads, isCausal: isCausal) })
  }

  @Test(arguments: attentions) func attentionIsThatOfItsDefinition(_ operation: OperationCase) {
    #expect(GradientCheck.valueError(operation) <= operation.tolerance)
    #expect(GradientCheck.gradientError(operation) <= operation.tolerance * 10)
  }

  /// What comes later changes nothing before it, through the maps of a whole layer.
  @Test func causalAttentionDoesNotLookAhead() {
    let graph = Graph()
    let layer = MultiHeadAttention(8, heads: 2, isCausal: true, in: Scope(graph)["attention"])
    let run = GraphRun(graph, outputs: ["y": layer(graph.input("x", [1, 6, 8]))])
    run.parameters.initialize(seed: 3)
    var x = HashedNumbers.values("x", count: 48)
    let before = run.run(["x": x])["y"]!
    for index in 32..<48 { x[index] += 3 }
    let after = run.run(["x": x])["y"]!
    #expect(before[..<32] == after[..<32])
    #expect(zip(before[32...], after[32...]).allSatisfy { $0 != $1 })
  }

  /// A block as transformers have it: every parameter gets a gradient, and names are those of layers.
  @Test func aTransformerBlockTrains() {
    let graph = Graph()
    let scope = Scope(graph)["block"]
    let embedding = Embedding(5, 8, in: scope["embedding"])
    let x = embedding(graph.input("ids", [2, 4], type: .index))
    let attended =
      x
      + MultiHeadAttention(8, heads: 4, isCausal: true, in: scope["attention"])(
        RMSNorm(8, in: scope["norm1"])(x))
    let hidden = gelu(
      Linear(8, 16, in: scope["up"])(LayerNorm(8, in: scope["norm2"])(attended)))
    let logits = Linear(16, 5, in: scope["down"])(hidden)
    let loss = crossEntropy(logits, graph.input("targets", [2, 4], type: .index)).mean()
    graph.differentiate(loss)
    let run = GraphRun(graph, outputs: ["loss": loss])
    run.parameters.initialize(seed: 5)
    let ids: [Float] = [0, 1, 2, 3, 4, 3, 2, 1]
    let result = run.run(["ids": ids, "targets": [1, 2, 3, 4, 3, 2, 1, 0]])["loss"]!
    #expect(abs(result[0] - Float(log(5.0))) < 0.5)
    let gradients = run.gradients()
    #expect(gradients.count == 16)
    for (name, gradient) in gradients where !name.hasSuffix("to_k.bias") {
      #expect(gradient.contains { abs($0) > 1e-6 }, "\(name)")
    }
    #expect(gradients["block.attention.to_out.0.weight"]!.count == 64)
  }
}
