extension Tensor {
  /// This value, for a gradient rule that reads it long after it was made: computed again, where
  /// that is a single pass over a value that is kept anyway.
  ///
  /// Between the forward and the reverse sweep every value that a gradient reads takes memory. A
  /// normalized image is a function of the image, which the gradient of the normalization reads,
  /// and of its moments; an upsampled one is a function of a smaller one. Computed again, neither
  /// has to be kept, which halves the memory of a training step. The result is the same bit by bit.
  /// Source: Chen et al., "Training deep nets with sublinear memory cost", 2016.
  var recomputed: Tensor {
    if let again = graph.recomputed[id] { return Tensor(graph: graph, id: again) }
    guard case .result(let index, let output) = graph.values[id.index].role, output == 0 else {
      return self
    }
    let node = graph.nodes[index]
    let inputs = node.inputs.map { Tensor(graph: graph, id: $0) }
    let again: Tensor
    switch node.operation {
    case let normalization as GroupNormalization:
      let moments = node.outputs[1...].map { Tensor(graph: graph, id: $0) }
      again =
        graph.append(
          GroupNormalizationRecomputation(normalization: normalization),
          inputs + moments)[0]
    case let upsampling as NearestUpsampling:
      again = graph.append(upsampling, inputs)[0]
    default:
      return self
    }
    graph.recomputed[id] = again.id
    return again
  }
}
