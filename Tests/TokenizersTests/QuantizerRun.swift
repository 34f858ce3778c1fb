import Autodiff
import TestSupport
import Tokenizers

/// A bottleneck on rows of vectors, with the gradients of `sum(upstream * code) + auxiliary loss`.
struct QuantizerRun {
  let results: [String: [Float]]
  let gradients: [String: [Float]]

  init(
    _ z: [Float], dimension: Int, upstream: [Float], parameters: [String: [Float]],
    _ make: (Scope) -> any Bottleneck
  ) {
    let graph = Graph()
    let quantizer = make(Scope(graph))
    let shape: Shape = [z.count / dimension, dimension]
    let vectors = graph.input("z", shape)
    let quantized = quantizer.quantize(vectors)
    let reconstruction = (quantized.codes * graph.input("g", shape)).sum()
    let loss = quantized.auxiliaryLoss.map { reconstruction + $0 } ?? reconstruction
    let dz = graph.differentiate(loss, withRespectTo: [vectors])[0]
    var outputs = quantized.statistics
    outputs["tokens"] = quantized.indices
    outputs["codes"] = quantized.codes
    outputs["vectors"] = quantized.vectors
    outputs["auxiliary"] = quantized.auxiliaryLoss
    outputs["dz"] = dz
    outputs["decoded"] = quantizer.codes(of: quantized.indices)
    let run = GraphRun(graph, outputs: outputs)
    for (name, values) in parameters { run.set(name, values) }
    results = run.run(["z": z, "g": upstream])
    gradients = run.gradients()
  }
}
