import Autodiff
import Execution
import Kernels

extension Attention: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    geometry(inputs[0], inputs[1]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    attend(
      geometry(o.shape(ofInput: 0), o.shape(ofInput: 1)), query: o.input(0), key: o.input(1),
      value: o.input(2), into: o.output(0), logSums: o.output(1), workspace: o.workspace,
      share: o.share)
  }

  /// One.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }

  /// The extents that the kernels need.
  func geometry(_ queries: Shape, _ keys: Shape) -> AttentionGeometry {
    AttentionGeometry(
      batch: queries[0], queries: queries[1], keys: keys[1], channels: queries[2], heads: heads,
      isCausal: isCausal)
  }
}

extension AttentionGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    attention.geometry(inputs[1], inputs[2]).gradientWorkspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    attendGradient(
      attention.geometry(o.shape(ofInput: 1), o.shape(ofInput: 2)), outputGradient: o.input(0),
      query: o.input(1), key: o.input(2), value: o.input(3), y: o.input(4), logSums: o.input(5),
      queryGradient: o.output(0), keyGradient: o.output(1), valueGradient: o.output(2),
      workspace: o.workspace)
  }
}

extension CachedAttention: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    geometry(inputs[0]).workspace
  }

  /// Calls the kernel, which writes to the states.
  public func execute(_ o: Operands) {
    attendNext(
      geometry(o.shape(ofInput: 0)), position: Int(o.inputIndices(3).pointee), query: o.input(0),
      key: o.input(1), value: o.input(2), keys: UnsafeMutablePointer(mutating: o.input(4)),
      values: UnsafeMutablePointer(mutating: o.input(5)), into: o.output(0),
      workspace: o.workspace)
  }

  private func geometry(_ query: Shape) -> AttentionCacheGeometry {
    AttentionCacheGeometry(batch: query[0], places: places, channels: query[1], heads: heads)
  }
}

extension WeightPacking: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    packWeights(inner: shape.rows, columns: shape.channels, o.input(0), into: o.output(0))
  }
}

extension PackedProduct: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    inputs[0][0] * 16
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    multiplyFewRows(
      shape[0], inner: shape[1], columns: columns, o.input(0), packed: o.input(1),
      into: o.output(0), workspace: o.workspace)
  }
}

extension RotaryRotation: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    table.cosines.withUnsafeBufferPointer { cosines in
      table.sines.withUnsafeBufferPointer { sines in
        rotate(
          rows: shape.rows, heads: shape.channels / table.head, head: table.head,
          count: shape[shape.rank - 2], places: o.inputCount > 1 ? o.inputIndices(1) : nil,
          table: table.places, cosines: cosines.baseAddress!, sines: sines.baseAddress!,
          inverse: isInverse, o.input(0), into: o.output(0))
      }
    }
  }
}

extension SwiGLU: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    Kernels.swiGLU(count: o.count, gate: o.input(0), value: o.input(1), into: o.output(0))
  }
}

extension SwiGLUGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    swiGLUGradient(
      count: o.count, outputGradient: o.input(0), gate: o.input(1), value: o.input(2),
      gateGradient: o.output(0), valueGradient: o.output(1))
  }
}

extension Dropout: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let items = o.shape(ofInput: 0)[0]
    dropOut(
      items: items, elements: o.count / items, rate: rate, site: site, keys: o.inputIndices(1),
      o.input(0), into: o.output(0))
  }
}

extension ProductCrossEntropy: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    geometry(inputs[0], inputs[1]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    productCrossEntropy(
      geometry(o.shape(ofInput: 0), o.shape(ofInput: 1)), o.input(0), weights: o.input(1),
      targets: o.inputIndices(2), into: o.output(0), logSums: o.output(1), workspace: o.workspace)
  }

  /// The extents that the kernels need.
  func geometry(_ rows: Shape, _ weights: Shape) -> ProductCrossEntropyGeometry {
    ProductCrossEntropyGeometry(
      rows: rows.rows, inner: rows.channels, width: weights.channels, first: classes.lowerBound,
      classes: classes.count)
  }
}

extension ProductCrossEntropyGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    loss.geometry(inputs[1], inputs[2]).gradientWorkspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    productCrossEntropyGradient(
      loss.geometry(o.shape(ofInput: 1), o.shape(ofInput: 2)), outputGradient: o.input(0),
      o.input(1), weights: o.input(2), targets: o.inputIndices(3), logSums: o.input(4),
      into: o.output(0), weightGradient: o.output(1), accumulate: o.accumulates(1),
      workspace: o.workspace)
  }
}
