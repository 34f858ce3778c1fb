import Autodiff
import Execution
import Kernels

extension Convolution: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    backend.geometry(self, image: inputs[0], filter: inputs[1]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    convolve(
      o.backend.geometry(self, image: o.shape(ofInput: 0), filter: o.shape(ofInput: 1)),
      image: o.input(0), filter: o.input(1), bias: o.inputCount > 2 ? o.input(2) : nil,
      into: o.output(0), workspace: o.workspace, share: o.share, shared: o.sharedWorkspace)
  }

  /// The kernel's.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int {
    backend.geometry(
      self, image: instruction.inputs[0].shape, filter: instruction.inputs[1].shape
    ).phases
  }
}

extension ConvolutionImageGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    backend.geometry(convolution, image: image, filter: inputs[1]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    convolveImageGradient(
      o.backend.geometry(convolution, image: image, filter: o.shape(ofInput: 1)),
      outputGradient: o.input(0), filter: o.input(1), into: o.output(0), workspace: o.workspace)
  }
}

extension ConvolutionFilterGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    backend.geometry(convolution, image: inputs[1], filter: filter).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    convolveFilterGradient(
      o.backend.geometry(convolution, image: o.shape(ofInput: 1), filter: filter),
      outputGradient: o.input(0), image: o.input(1), into: o.output(0),
      accumulate: o.accumulates(0), bias: hasBias ? o.output(1) : nil,
      accumulateBias: hasBias && o.accumulates(1), workspace: o.workspace)
  }
}

extension GroupNormalization: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    geometry(inputs[0]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    groupNormalize(
      geometry(o.shape(ofInput: 0)), x: o.input(0), scale: o.input(1), shift: o.input(2),
      into: o.output(0), mean: o.output(1), reciprocalDeviation: o.output(2),
      workspace: o.workspace, share: o.share, shared: o.sharedWorkspace)
  }

  /// The kernel's.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int {
    geometry(instruction.inputs[0].shape).phases
  }
}

extension GroupNormalizationGradient: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    normalization.geometry(inputs[1]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    precondition(
      o.accumulates(1) == o.accumulates(2),
      "scale and shift of a normalization are parameters both, or neither")
    groupNormalizeGradient(
      normalization.geometry(o.shape(ofInput: 1)), outputGradient: o.input(0), x: o.input(1),
      scale: o.input(2), shift: o.input(3), mean: o.input(4), reciprocalDeviation: o.input(5),
      addend: hasAddend ? o.input(6) : nil, into: o.output(0), scaleGradient: o.output(1),
      shiftGradient: o.output(2), accumulate: o.accumulates(1), workspace: o.workspace)
  }
}

extension GroupNormalizationRecomputation: CPUOperator {
  /// The kernel's scratch words.
  public func workspace(inputs: [Shape], outputs: [Shape], on backend: CPUBackend) -> Int {
    normalization.geometry(inputs[0]).workspace
  }

  /// Calls the kernel.
  public func execute(_ o: Operands) {
    groupNormalizeAgain(
      normalization.geometry(o.shape(ofInput: 0)), x: o.input(0), scale: o.input(1),
      shift: o.input(2), mean: o.input(3), reciprocalDeviation: o.input(4), into: o.output(0),
      workspace: o.workspace)
  }
}

extension NearestUpsampling: CPUOperator {
  /// Calls the kernel: a batch of images is one high image.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    let (row, lines) = (shape[2] * shape[3], o.share.range(of: shape[0] * shape[1]))
    upsampleNearest(
      batch: 1, height: lines.count, width: shape[2], channels: shape[3], factor: factor,
      o.input(0) + lines.lowerBound * row,
      into: o.output(0) + lines.lowerBound * row * factor * factor)
  }

  /// One.
  public func phases(of instruction: Instruction, on backend: CPUBackend) -> Int { 1 }
}

extension NearestUpsamplingGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let small = o.shape(ofOutput: 0)
    upsampleNearestGradient(
      batch: small[0], height: small[1], width: small[2], channels: small[3], factor: factor,
      outputGradient: o.input(0), into: o.output(0))
  }
}

extension MatrixProduct: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let (a, result) = (o.shape(ofInput: 0), o.shape(ofOutput: 0))
    batchedMatrixProduct(
      batch: a[0], rows: result[1], columns: result[2], inner: transposesFirst ? a[1] : a[2],
      transposeA: transposesFirst, transposeB: transposesSecond, o.input(0), o.input(1),
      into: o.output(0))
  }
}

extension Softmax: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    softmax(
      rows: shape.rows, columns: shape.channels, scale: scale, isCausal: isCausal, o.input(0),
      into: o.output(0))
  }
}

extension SoftmaxGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    softmaxGradient(
      rows: shape.rows, columns: shape.channels, scale: scale, outputGradient: o.input(0),
      y: o.input(1), into: o.output(0))
  }
}

extension RootMeanSquareNormalization: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 0)
    normalizeByRootMeanSquare(
      rows: shape.rows, columns: shape.channels, epsilon: epsilon, o.input(0),
      scale: o.input(1), into: o.output(0), reciprocals: o.output(1))
  }
}

extension RootMeanSquareNormalizationGradient: CPUOperator {
  /// Calls the kernel.
  public func execute(_ o: Operands) {
    let shape = o.shape(ofInput: 1)
    normalizeByRootMeanSquareGradient(
      rows: shape.rows, columns: shape.channels, outputGradient: o.input(0), x: o.input(1),
      scale: o.input(2), reciprocals: o.input(3), into: o.output(0), scaleGradient: o.output(1),
      accumulate: o.accumulates(1))
  }
}
