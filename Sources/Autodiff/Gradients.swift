extension Graph {
  /// Appends the gradient of a loss with respect to every parameter it depends on.
  ///
  /// The gradients of parameters are added to the gradient memory (so that several replays sum
  /// up); those of the further tensors asked for are returned.
  ///
  /// - Parameters:
  ///   - loss: a scalar.
  ///   - seed: the gradient of the loss itself: 1 over the number of replays that are summed,
  ///     where the loss of a batch is the mean over its micro-batches.
  ///   - others: inputs or intermediate values, not parameters, whose gradient is wanted too.
  /// - Returns: the gradients of `others`, in order.
  @discardableResult
  public func differentiate(
    _ loss: Tensor, seed: Float = 1, withRespectTo others: [Tensor] = []
  ) -> [Tensor] {
    if loss.shape.count != 1 { fatalError("a loss is a scalar, not \(loss.shape)") }
    for tensor in others {
      if case .parameter(let index) = values[tensor.id.index].role {
        fatalError("the gradient of \(parameters[index].name) goes to the gradient memory")
      }
    }
    let forward = nodes.count
    let isNeeded = dependents(on: others)
    var gradients: [ValueID: Tensor] = [:]
    gradients[loss.id] = append(Seed(value: seed, shape: loss.shape), [])[0]

    for index in stride(from: forward - 1, through: 0, by: -1) {
      let node = nodes[index]
      let upstream = node.outputs.map { gradients[$0] }
      let needed = node.inputs.map { isNeeded.contains($0) }
      guard upstream.contains(where: { $0 != nil }), needed.contains(true) else { continue }
      inLayer(node.layer) {
        let known = (values: values.count, nodes: nodes.count)
        let context = GradientContext(
          inputs: node.inputs.map { Tensor(graph: self, id: $0) },
          outputs: node.outputs.map { Tensor(graph: self, id: $0) },
          upstream: upstream, isNeeded: needed)
        let parts = node.operation.gradients(context)
        for case (let input, let part?, true) in zip3(node.inputs, parts, needed) {
          // A value that the rule made for this input alone may be made otherwise; any other is,
          // or may be, the gradient of something else as well.
          let isOwn =
            part.id.index >= known.values && parts.count { $0?.id == part.id } == 1
            && !isRead(part.id, since: known.nodes)
          if case .parameter(let parameter) = values[input.index].role {
            deposit(part, asGradientOf: parameter, isOwn: isOwn)
          } else if let sum = gradients[input] {
            gradients[input] = isOwn && absorb(sum, into: part) ? part : sum + part
          } else {
            gradients[input] = part
          }
        }
      }
    }
    return others.map { tensor in
      gradients[tensor.id] ?? append(Seed(value: 0, shape: tensor.shape), [])[0]
    }
  }

  /// Whether an operation from a place on reads a value, itself or through a view.
  private func isRead(_ id: ValueID, since first: Int) -> Bool {
    nodes[first...].contains { $0.inputs.contains(id) }
  }

  /// Has the operation that makes a gradient add a sum to it in the same pass over memory, if it can.
  ///
  /// Only for a gradient that is nobody else's: whoever has the same handle would get the sum too.
  /// The sum was recorded before that operation, which therefore finds it computed.
  private func absorb(_ sum: Tensor, into part: Tensor) -> Bool {
    guard case .result(let index, 0) = values[part.id.index].role,
      var rule = nodes[index].operation as? GroupNormalizationGradient, !rule.hasAddend
    else { return false }
    rule.hasAddend = true
    let node = nodes[index]
    nodes[index] = Node(
      operation: rule, inputs: node.inputs + [sum.id],
      outputs: node.outputs, layer: node.layer)
    return true
  }

  /// Every value that depends on a trained parameter or on one of the given tensors, those included.
  private func dependents(on others: [Tensor]) -> Set<ValueID> {
    var needed = Set(others.map(\.id))
    for (index, value) in values.enumerated() {
      if case .parameter(let parameter) = value.role, parameters[parameter].isTrained {
        needed.insert(ValueID(index))
      }
    }
    for node in nodes where node.inputs.contains(where: needed.contains) {
      needed.formUnion(node.outputs)
    }
    return needed
  }

  /// Sends a gradient to the memory of a parameter's gradient.
  ///
  /// An operation that can add to what is there does so directly; any other result is added by
  /// an operation of its own.
  ///
  /// - Parameter isOwn: whether the rule made this value for this parameter alone.
  private func deposit(_ part: Tensor, asGradientOf parameter: Int, isOwn: Bool) {
    var destination = part
    if !isOwn || !accumulates(part.id) {
      destination = append(Accumulation(), [part])[0]
    }
    values[destination.id.index].role = .gradient(of: parameter)
  }

  /// Whether the operation that makes a value can add it to gradient memory.
  private func accumulates(_ id: ValueID) -> Bool {
    guard case .result(let index, let output) = values[id.index].role else { return false }
    let node = nodes[index]
    guard node.operation.accumulates(output: output) else { return false }
    guard node.operation is GroupNormalizationGradient else { return true }
    // Scale and shift come of one pass: both go to gradient memory, to places of their own, or
    // neither does.
    let trained = [node.inputs[2], node.inputs[3]].compactMap { id -> Int? in
      guard case .parameter(let parameter) = values[id.index].role else { return nil }
      return parameters[parameter].isTrained ? parameter : nil
    }
    return trained.count == 2 && trained[0] != trained[1]
  }
}

private func zip3<A, B, C>(_ a: [A], _ b: [B], _ c: [C]) -> [(A, B, C)] {
  precondition(a.count == b.count && b.count == c.count, "a gradient rule skips an input")
  return a.indices.map { (a[$0], b[$0], c[$0]) }
}

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
